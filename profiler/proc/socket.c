/*
 * socket: looks an inode up in the kernel's tables of sockets.
 */
#include "profiler/proc/socket.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/proc/procfs.h"

#define TCP_LISTEN 10

static const char *const tables[] = {
	"tcp", "tcp6", "udp", "udp6", "unix", NULL
};

/*
 * "0100007F:1F90": each 32 bits of the address as this machine holds them, the
 * port as people write it.  False when it is no address.
 */
static bool put_address(struct buf *out, const char *text)
{
	const char *colon = strchr(text, ':');
	size_t digits = colon ? (size_t)(colon - text) : 0;
	int family = digits == 8 ? AF_INET : AF_INET6;
	char shown[INET6_ADDRSTRLEN];
	uint32_t words[4];

	if (digits != 8 && digits != 32)
		return false;
	for (size_t i = 0; i < digits / 8; i++)
		if (sscanf(text + 8 * i, "%8x", &words[i]) != 1)
			return false;
	if (!inet_ntop(family, words, shown, sizeof(shown)))
		return false;
	buf_printf(out, family == AF_INET ? "%s:%lu" : "[%s]:%lu", shown,
		   strtoul(colon + 1, NULL, 16));
	return true;
}

static bool put_internet(struct buf *out, const char *table, const char *line)
{
	char local[48], remote[48], name[8];
	size_t before = out->len;
	unsigned state;

	if (sscanf(line, "%*s %47s %47s %x", local, remote, &state) != 3)
		return false;
	snprintf(name, sizeof(name), "%.3s", table); /* without the 6 */
	if (strcmp(name, "tcp") == 0 && state == TCP_LISTEN) {
		buf_puts(out, "tcp listening on ");
		if (put_address(out, local))
			return true;
		goto undo;
	}
	buf_printf(out, "%s ", name);
	if (!put_address(out, local))
		goto undo;
	buf_puts(out, " to ");
	if (put_address(out, remote))
		return true;
undo:
	if (out->bytes) {
		out->len = before;
		out->bytes[before] = '\0';
	}
	return false;
}

static bool put_unix(struct buf *out, const char *line)
{
	int at = 0;

	if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %n", &at) != 0)
		return false;
	buf_puts(out, "unix socket");
	if (at && line[at] && line[at] != '\n')
		buf_printf(out, " %.*s", (int)strcspn(line + at, "\n"),
			   line + at);
	return true;
}

/* The inode is the tenth column of the internet tables, the seventh of unix. */
static bool is_line_of(const char *line, bool internet, uint64_t inode)
{
	unsigned long long found;

	if (internet)
		return sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
			      &found) == 1 &&
		       found == inode;
	return sscanf(line, "%*s %*s %*s %*s %*s %*s %llu", &found) == 1 &&
	       found == inode;
}

bool socket_find(struct buf *out, const char *table, const char *text,
		 uint64_t inode)
{
	bool internet = strcmp(table, "unix") != 0;

	for (const char *line = text; line && *line;) {
		const char *end = strchr(line, '\n');
		char copy[512];

		snprintf(copy, sizeof(copy), "%.*s",
			 (int)(end ? end - line : (long)strlen(line)), line);
		if (is_line_of(copy, internet, inode))
			return internet ? put_internet(out, table, copy)
					: put_unix(out, copy);
		line = end ? end + 1 : NULL;
	}
	return false;
}

bool socket_describe(struct buf *out, int dir, const char *link)
{
	struct buf text = BUF_INIT;
	unsigned long long inode;
	bool found = false;

	if (sscanf(link, "socket:[%llu]", &inode) != 1)
		return false;
	for (size_t i = 0; tables[i] && !found; i++) {
		char name[16];

		snprintf(name, sizeof(name), "net/%s", tables[i]);
		if (procfs_read(dir, name, &text) == 0)
			found = socket_find(out, tables[i], text.bytes, inode);
	}
	buf_free(&text);
	return found;
}
