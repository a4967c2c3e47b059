/*
 * caps: the rights of this process, and giving up those it does not need.
 */
#include "profiler/probe/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "profiler/base/err.h"

#define WORDS _LINUX_CAPABILITY_U32S_3
#define LAST  63

static int get(struct __user_cap_data_struct sets[WORDS])
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};

	return syscall(SYS_capget, &head, sets) < 0 ? -errno : 0;
}

static int set(const struct __user_cap_data_struct sets[WORDS])
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};

	return syscall(SYS_capset, &head, sets) < 0 ? -errno : 0;
}

static uint32_t bit(int capability)
{
	return (uint32_t)1 << (capability % 32);
}

bool caps_has(int capability)
{
	struct __user_cap_data_struct sets[WORDS] = { 0 };

	return get(sets) == 0 &&
	       (sets[capability / 32].effective & bit(capability));
}

int caps_keep_ours(struct err *err)
{
	static const int ours[] = { CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE };
	struct __user_cap_data_struct sets[WORDS] = { 0 }, kept[WORDS] = { 0 };
	int rc = get(sets);

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		kept[ours[i] / 32].effective |= bit(ours[i]);
	for (int i = 0; i < WORDS; i++) {
		kept[i].effective &= sets[i].permitted;
		kept[i].permitted = kept[i].effective;
	}
	/* Without CAP_SETPCAP this fails, and exec could not give it anyway:
	 * no_new_privs holds for both. */
	for (int cap = 0; cap <= LAST; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		rc = -errno;
	if (rc == 0)
		rc = set(kept);
	if (rc < 0) {
		errno = -rc;
		return err_errno(err, "cannot give up rights");
	}
	return 0;
}
