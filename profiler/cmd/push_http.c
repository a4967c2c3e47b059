/*
 * push_http: see push_http.h.
 */
#include "profiler/cmd/push_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "reports/base64.h"
#include "reports/emit.h"

#define CONNECT_MS    5000L
#define ANSWER_MS     20000L
#define REASON_MAX    160
#define NS_PER_SECOND 1000000000ULL

struct push_http {
	const struct push_options *opt;
	CURL *curl;
	struct curl_slist *headers;
	char *url;	 /* with the API's path */
	struct buf auth; /* "user:password", or a token */
	atomic_ullong *give_up_ns;
	char reason[REASON_MAX]; /* how the answer begins */
	size_t reason_len;
};

static int check_label(const char *label, struct err *err)
{
	const char *equals = strchr(label, '=');

	if (!equals || equals == label || strpbrk(label, ",{}\"\n"))
		return err_set(err, -EINVAL,
			       "'%s' is no label: give NAME=VALUE without "
			       "braces, commas and quotes",
			       label);
	return 0;
}

/* Take the URL apart and put it together with the API's path. */
static int complete_url(struct push_http *h, struct err *err)
{
	static const char *const paths[] = {
		[PUSH_INGEST] = "/ingest",
		[PUSH_WRITERAW] = "/api/profiles/writeraw",
	};
	char *scheme = NULL, *path = NULL, *whole = NULL;
	CURLU *u = curl_url();
	bool fine;

	fine = u && curl_url_set(u, CURLUPART_URL, h->opt->url, 0) == CURLUE_OK;
	fine = fine &&
	       curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	       curl_url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK;
	fine = fine &&
	       (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
	if (fine && strcmp(path, "/") == 0)
		fine = curl_url_set(u, CURLUPART_PATH, paths[h->opt->api], 0) ==
		       CURLUE_OK;
	fine = fine && curl_url_get(u, CURLUPART_URL, &whole, 0) == CURLUE_OK;
	if (fine)
		h->url = strdup(whole);
	curl_free(scheme);
	curl_free(path);
	curl_free(whole);
	curl_url_cleanup(u);
	if (!fine)
		return err_set(err, -EINVAL,
			       "cannot push to '%s': give an http:// or "
			       "https:// URL",
			       h->opt->url);
	return h->url ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static size_t on_answer(char *bytes, size_t one, size_t len, void *ctx)
{
	struct push_http *h = ctx;

	for (size_t i = 0; i < one * len && h->reason_len < REASON_MAX - 1; i++)
		h->reason[h->reason_len++] =
			bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : ' ';
	h->reason[h->reason_len] = '\0';
	return one * len;
}

/* Called at least once a second. */
static int on_progress(void *ctx, curl_off_t dltotal, curl_off_t dlnow,
		       curl_off_t ultotal, curl_off_t ulnow)
{
	struct push_http *h = ctx;
	struct timespec now;

	(void)dltotal;
	(void)dlnow;
	(void)ultotal;
	(void)ulnow;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec >
	       atomic_load(h->give_up_ns);
}

static int read_auth(struct push_http *h, struct err *err)
{
	int rc;

	if (!h->opt->auth_file)
		return 0;
	rc = buf_read_file(&h->auth, h->opt->auth_file, err);
	while (rc == 0 && h->auth.len &&
	       strchr(" \t\r\n", h->auth.bytes[h->auth.len - 1]))
		h->auth.bytes[--h->auth.len] = '\0';
	if (rc == 0 && (!h->auth.len || strchr(h->auth.bytes, '\n')))
		rc = err_set(err, -EINVAL,
			     "%s: expected one line, user:password or a token",
			     h->opt->auth_file);
	return rc;
}

static void set_auth(struct push_http *h)
{
	if (!h->auth.len)
		return;
	if (strchr(h->auth.bytes, ':')) {
		curl_easy_setopt(h->curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(h->curl, CURLOPT_USERPWD, h->auth.bytes);
	} else {
		curl_easy_setopt(h->curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		curl_easy_setopt(h->curl, CURLOPT_XOAUTH2_BEARER,
				 h->auth.bytes);
	}
}

static int set_up(struct push_http *h, struct err *err)
{
	h->curl = curl_easy_init();
	/* Without waiting for a go-ahead that some stores never send. */
	h->headers = curl_slist_append(NULL, "Expect:");
	if (h->opt->api == PUSH_WRITERAW)
		h->headers =
			curl_slist_append(h->headers,
					  "Content-Type: application/json");
	if (!h->curl || !h->headers)
		return err_set(err, -ENOMEM, "out of memory");
	curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, ANSWER_MS);
	curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h->curl, CURLOPT_USERAGENT,
			 "strandline/" STRANDLINE_VERSION);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, h->headers);
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, h);
	if (h->opt->ca_file)
		curl_easy_setopt(h->curl, CURLOPT_CAINFO, h->opt->ca_file);
	set_auth(h);
	return 0;
}

int push_http_open(struct push_http **out, const struct push_options *opt,
		   struct err *err)
{
	struct push_http *h = calloc(1, sizeof(*h));
	int rc = 0;

	*out = NULL;
	if (!h || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(h);
		return err_set(err, -ENOMEM, "out of memory");
	}
	h->opt = opt;
	for (size_t i = 0; i < opt->label_count && rc == 0; i++)
		rc = check_label(opt->labels[i], err);
	if (rc == 0)
		rc = complete_url(h, err);
	if (rc == 0)
		rc = read_auth(h, err);
	if (rc == 0)
		rc = set_up(h, err);
	if (rc < 0) {
		push_http_close(h);
		return rc;
	}
	*out = h;
	return 0;
}

void push_http_close(struct push_http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	curl_slist_free_all(h->headers);
	buf_free(&h->auth);
	free(h->url);
	free(h);
	curl_global_cleanup();
}

/* "rag_c{host=db1,env=test}", as Pyroscope names an application. */
static void put_name(struct buf *to, const struct push_http *h,
		     const struct parcel *parcel)
{
	buf_puts(to, parcel->service);
	for (size_t i = 0; i < h->opt->label_count; i++)
		buf_printf(to, "%c%s", i ? ',' : '{', h->opt->labels[i]);
	if (h->opt->label_count)
		buf_putc(to, '}');
}

static void put_ingest_url(struct buf *to, const struct push_http *h,
			   const struct parcel *parcel)
{
	struct buf name = BUF_INIT;
	char *escaped = NULL;

	put_name(&name, h, parcel);
	if (buf_status(&name) == 0)
		escaped = curl_easy_escape(h->curl, name.bytes, (int)name.len);
	buf_printf(to,
		   "%s%cname=%s&from=%llu&until=%llu&format=pprof&"
		   "spyName=strandline",
		   h->url, strchr(h->url, '?') ? '&' : '?',
		   escaped ? escaped : "",
		   (unsigned long long)(parcel->from_ns / NS_PER_SECOND),
		   (unsigned long long)(parcel->until_ns / NS_PER_SECOND));
	to->failed |= !escaped;
	curl_free(escaped);
	buf_free(&name);
}

static const char sample_types[] =
	"{\"alloc_objects\":{\"units\":\"objects\",\"cumulative\":true},"
	"\"alloc_space\":{\"units\":\"bytes\",\"cumulative\":true},"
	"\"inuse_objects\":{\"units\":\"objects\",\"aggregation\":\"average\"},"
	"\"inuse_space\":{\"units\":\"bytes\",\"aggregation\":\"average\"}}";

static bool add_ingest(struct push_http *h, const struct parcel *parcel,
		       struct buf *url, curl_mime **form)
{
	curl_mimepart *part;

	put_ingest_url(url, h, parcel);
	*form = curl_mime_init(h->curl);
	part = *form ? curl_mime_addpart(*form) : NULL;
	if (!part || buf_status(url) < 0)
		return false;
	curl_mime_name(part, "profile");
	curl_mime_filename(part, "profile.pb.gz");
	curl_mime_type(part, "application/octet-stream");
	if (curl_mime_data(part, parcel->profile.bytes, parcel->profile.len))
		return false;
	part = curl_mime_addpart(*form);
	if (!part)
		return false;
	curl_mime_name(part, "sample_type_config");
	curl_mime_filename(part, "sample_type_config.json");
	curl_mime_type(part, "application/json");
	if (curl_mime_data(part, sample_types, sizeof(sample_types) - 1))
		return false;
	curl_easy_setopt(h->curl, CURLOPT_MIMEPOST, *form);
	return true;
}

static void put_label(struct emit *e, const char *name, size_t len,
		      const char *value)
{
	struct buf text = BUF_INIT;

	buf_write(&text, name, len);
	emit_open(e, '{');
	emit_key_text(e, "name", text.bytes ? text.bytes : "");
	emit_key_text(e, "value", value);
	emit_close(e, '}');
	e->out->failed |= text.failed;
	buf_free(&text);
}

static void put_series(struct buf *body, const struct push_http *h,
		       const struct parcel *parcel)
{
	struct emit e = { .out = body };
	struct buf raw = BUF_INIT;

	base64_put(&raw, parcel->profile.bytes, parcel->profile.len);
	emit_open(&e, '{');
	emit_key(&e, "series");
	emit_open(&e, '[');
	emit_open(&e, '{');
	emit_key(&e, "labels");
	emit_open(&e, '{');
	emit_key(&e, "labels");
	emit_open(&e, '[');
	put_label(&e, "__name__", 8, "memory");
	put_label(&e, "job", 3, parcel->service);
	for (size_t i = 0; i < h->opt->label_count; i++) {
		const char *label = h->opt->labels[i];
		size_t len = strcspn(label, "=");

		put_label(&e, label, len, label + len + 1);
	}
	emit_close(&e, ']');
	emit_close(&e, '}');
	emit_key(&e, "samples");
	emit_open(&e, '[');
	emit_open(&e, '{');
	emit_key_text(&e, "rawProfile", raw.bytes ? raw.bytes : "");
	emit_close(&e, '}');
	emit_close(&e, ']');
	emit_close(&e, '}');
	emit_close(&e, ']');
	emit_close(&e, '}');
	body->failed |= raw.failed;
	buf_free(&raw);
}

static bool add_writeraw(struct push_http *h, const struct parcel *parcel,
			 struct buf *url, struct buf *body)
{
	buf_puts(url, h->url);
	put_series(body, h, parcel);
	if (buf_status(url) < 0 || buf_status(body) < 0)
		return false;
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE,
			 (curl_off_t)body->len);
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, body->bytes);
	return true;
}

static enum push_outcome judge(struct push_http *h, CURLcode code,
			       uint64_t *wait_ns, struct err *why)
{
	curl_off_t wait_s = 0;
	long status = 0;

	if (code != CURLE_OK) {
		err_set(why, -EIO, "%s", curl_easy_strerror(code));
		return PUSH_LATER;
	}
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 300)
		return PUSH_TAKEN;
	err_set(why, -EIO, "it answers %ld%s%s", status,
		h->reason_len ? ": " : "", h->reason);
	curl_easy_getinfo(h->curl, CURLINFO_RETRY_AFTER, &wait_s);
	if (wait_s > 0)
		*wait_ns = (uint64_t)wait_s * NS_PER_SECOND;
	return status >= 500 || status == 408 || status == 425 || status == 429
		       ? PUSH_LATER
		       : PUSH_NEVER;
}

enum push_outcome push_http_send(struct push_http *h,
				 const struct parcel *parcel,
				 atomic_ullong *give_up_ns, uint64_t *wait_ns,
				 struct err *why)
{
	struct buf url = BUF_INIT, body = BUF_INIT;
	enum push_outcome outcome = PUSH_LATER;
	curl_mime *form = NULL;
	bool fine;

	h->give_up_ns = give_up_ns;
	h->reason[0] = '\0';
	h->reason_len = 0;
	fine = h->opt->api == PUSH_INGEST
		       ? add_ingest(h, parcel, &url, &form)
		       : add_writeraw(h, parcel, &url, &body);
	if (fine) {
		curl_easy_setopt(h->curl, CURLOPT_URL, url.bytes);
		outcome = judge(h, curl_easy_perform(h->curl), wait_ns, why);
	} else {
		err_set(why, -ENOMEM, "out of memory");
	}
	curl_easy_setopt(h->curl, CURLOPT_MIMEPOST, NULL);
	curl_mime_free(form);
	buf_free(&url);
	buf_free(&body);
	return outcome;
}
