/*
 * route: see route.h.
 */
#include "profiler/http/route.h"

#include "profiler/http/line.h"

/*
 * Raw paths seen lately, so that the same one is not judged again: a third of
 * the time that a request costs.  8 KiB.
 */
#define RECENT 1024
_Static_assert(ROUTES_MAX < 256, "an id has 8 bits in `recent`");

/* Slots of the hash table: at most half of them are ever taken. */
#define SLOTS 512

/*
 * Of the ids, the last HTTP_NMETHODS are kept for the _OTHER of each method,
 * so that there is always one to hand out.
 */
#define ORDINARY (ROUTES_MAX - HTTP_NMETHODS)

struct template
{
	char text[ROUTE_TEXT_MAX]; /* method and space left out */
	uint8_t method;		   /* enum http_method */
	uint8_t any_method;
};

/*
 * A slot is 0, then hash << 32 (its route is being made), then hash << 32 |
 * id.  Who reads an id (acquire) sees the text written before it was stored
 * (release in make()).
 */
struct routes {
	uint64_t slots[SLOTS];
	uint64_t recent[RECENT]; /* 56 bits of a raw path's hash, and its id */
	uint32_t count;		 /* ids taken */
	uint32_t ordinary;	 /* of them, how many are not _OTHER */
	uint32_t ntemplates;
	uint32_t ready[ROUTES_MAX]; /* by id - 1: its text is written */
	char text[ROUTES_MAX][ROUTE_TEXT_MAX];
	struct template templates[ROUTES_TEMPLATES_MAX];
};

size_t routes_size(void)
{
	return sizeof(struct routes);
}

struct routes *routes_init(void *memory)
{
	return memory;
}

static size_t length_of(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

/* Append what fits, keep it terminated; returns the new length. */
static size_t append(char *out, size_t at, const char *text, size_t len)
{
	for (size_t i = 0; i < len && at < ROUTE_TEXT_MAX - 1; i++)
		out[at++] = text[i];
	out[at] = '\0';
	return at;
}

bool routes_add_template(struct routes *r, const char *text)
{
	struct template *t = &r->templates[r->ntemplates];
	size_t method = 0;

	if (r->ntemplates == ROUTES_TEMPLATES_MAX)
		return false;
	while (text[method] && text[method] != '/' && text[method] != ' ')
		method++;
	t->any_method = !method;
	t->method = (uint8_t)line_method((const uint8_t *)text, method);
	if (method && t->method == HTTP_OTHER)
		return false;
	text += method;
	while (*text == ' ')
		text++;
	/* Beside the longest method and a space. */
	if (*text != '/' || length_of(text) >= ROUTE_TEXT_MAX - 8)
		return false;
	append(t->text, 0, text, length_of(text));
	r->ntemplates++;
	return true;
}

/* Length of the placeholder at @t, 0: none; *@rest: "{name:path}". */
static size_t placeholder(const char *t, bool *rest)
{
	static const char path[] = ":path}";
	size_t end = 1, same = 0;

	if (*t != '{')
		return 0;
	while (t[end] && t[end] != '}' && t[end] != '/')
		end++;
	if (t[end] != '}')
		return 0;
	end++;
	if (end > sizeof(path))
		while (same < sizeof(path) - 1 &&
		       t[end - (sizeof(path) - 1) + same] == path[same])
			same++;
	*rest = same == sizeof(path) - 1;
	return end;
}

/* Where to go on when what follows a placeholder does not match. */
struct retry {
	const char *t; /* behind the placeholder; NULL: no such */
	size_t at;     /* bytes of the path before its next attempt */
};

/*
 * Does the path match?  "{x}" takes one byte or more of one segment,
 * "{x:path}" any.  Only the last of each kind can need another attempt, which
 * bounds the work by the product of the lengths.
 */
static bool matches(const char *t, const char *path, size_t len)
{
	struct retry part = { NULL, 0 }, rest = { NULL, 0 };
	size_t at = 0;

	for (;;) {
		bool any = false;
		size_t hole = placeholder(t, &any);

		if (hole && any) {
			t += hole;
			rest = (struct retry) { t, at };
			part.t = NULL;
		} else if (hole && at < len && path[at] != '/') {
			t += hole;
			part = (struct retry) { t, ++at };
		} else if (!hole && at < len && *t == path[at]) {
			t++;
			at++;
		} else if (at == len && !*t) {
			return true;
		} else if (part.t && part.at < len && path[part.at] != '/') {
			t = part.t;
			at = ++part.at;
		} else if (rest.t && rest.at < len) {
			t = rest.t;
			at = ++rest.at;
			part.t = NULL;
		} else {
			return false;
		}
	}
}

/* The text of the route of (@method, @path), "GET /users/{}". */
static size_t route_text(const struct routes *r, char *out,
			 enum http_method method, const char *path, size_t len)
{
	const char *name = http_method_name(method);
	size_t at = append(out, 0, name, length_of(name));

	at = append(out, at, " ", 1);
	for (uint32_t i = 0; i < r->ntemplates; i++) {
		const struct template *t = &r->templates[i];

		if ((t->any_method || t->method == method) &&
		    matches(t->text, path, len))
			return append(out, at, t->text, length_of(t->text));
	}
	return at + route_normalise(out + at, ROUTE_TEXT_MAX - at, path, len);
}

/* FNV-1a; never 0. */
static uint32_t hash_of(const char *text, size_t len)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)text[i]) * 16777619u;
	return hash ? hash : 1;
}

static bool equal(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i <= len; i++) /* the NUL, too */
		if (a[i] != b[i])
			return false;
	return true;
}

/* Take a number below @limit from @counter.  False: there are no more. */
static bool take(uint32_t *counter, uint32_t limit)
{
	uint32_t seen = __atomic_load_n(counter, __ATOMIC_RELAXED);

	while (seen < limit)
		if (__atomic_compare_exchange_n(counter, &seen, seen + 1, true,
						__ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

/* The slot is ours: give it an id and tell everybody. */
static uint32_t make(struct routes *r, uint64_t *slot, uint32_t hash,
		     const char *text, size_t len)
{
	uint32_t id = __atomic_add_fetch(&r->count, 1, __ATOMIC_RELAXED);

	append(r->text[id - 1], 0, text, len);
	__atomic_store_n(&r->ready[id - 1], 1, __ATOMIC_RELEASE);
	__atomic_store_n(slot, (uint64_t)hash << 32 | id, __ATOMIC_RELEASE);
	return id;
}

/*
 * The id of @text.  False: it has none and there are no more for ordinary
 * ones (@limited).
 */
static bool look_up(struct routes *r, const char *text, size_t len,
		    bool limited, uint32_t *id, bool *fresh)
{
	uint32_t hash = hash_of(text, len);
	bool reserved = false;

	for (uint32_t i = 0;; i++) {
		uint64_t *slot = &r->slots[(hash + i) % SLOTS];
		uint64_t seen = __atomic_load_n(slot, __ATOMIC_ACQUIRE);

		if (!seen && limited && !reserved &&
		    !take(&r->ordinary, ORDINARY))
			return false;
		reserved |= !seen;
		if (!seen && __atomic_compare_exchange_n(
				     slot, &seen, (uint64_t)hash << 32, false,
				     __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
			*id = make(r, slot, hash, text, len);
			*fresh = true;
			return true;
		}
		if (seen >> 32 != hash)
			continue;
		*id = (uint32_t)seen;
		/* 0: being made, perhaps by what this call interrupted */
		if (!*id || equal(r->text[*id - 1], text, len))
			return true;
	}
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

static uint64_t raw_hash(enum http_method method, const char *path, size_t len)
{
	uint64_t hash = mix((uint64_t)method << 32, len), word;

	for (; len >= 8; path += 8, len -= 8) {
		__builtin_memcpy(&word, path, 8);
		hash = mix(hash, word);
	}
	for (word = 0; len; len--)
		word = word << 8 | (uint8_t)path[len - 1];
	return mix(mix(hash, word), 0);
}

/* As routes_id(), for a path that is not among the recent ones. */
static uint32_t judge(struct routes *r, enum http_method method,
		      const char *path, size_t len, bool *fresh)
{
	const char *name = http_method_name(method);
	char text[ROUTE_TEXT_MAX];
	uint32_t id = 0;
	size_t end = route_text(r, text, method, path, len);

	if (!look_up(r, text, end, true, &id, fresh)) {
		end = append(text, 0, name, length_of(name));
		end = append(text, end, " _OTHER", 7);
		look_up(r, text, end, false, &id, fresh);
	}
	return id;
}

uint32_t routes_id(struct routes *r, enum http_method method, const char *path,
		   size_t len, bool *fresh)
{
	uint64_t hash = raw_hash(method, path, len);
	uint64_t *recent = &r->recent[(hash >> 8) % RECENT];
	/* pairs with the release below: the route's text is there */
	uint64_t seen = __atomic_load_n(recent, __ATOMIC_ACQUIRE);
	bool made = false;
	uint32_t id = seen & 0xff;

	if (!id || (seen ^ hash) >> 8) {
		id = judge(r, method, path, len, &made);
		if (id)
			__atomic_store_n(recent, (hash & ~0xffULL) | id,
					 __ATOMIC_RELEASE);
	}
	if (fresh)
		*fresh = made;
	return id;
}

uint32_t routes_name(struct routes *r, const char *text, size_t len,
		     bool *fresh)
{
	bool made = false;
	char kept[ROUTE_TEXT_MAX];
	uint32_t id = 0;
	size_t end = 0;

	for (; end < len && end < ROUTE_TEXT_MAX - 1; end++)
		kept[end] = text[end] >= ' ' ? text[end] : '?';
	kept[end] = '\0';
	if (!look_up(r, kept, end, true, &id, &made)) {
		end = append(kept, 0, "_OTHER", 6);
		look_up(r, kept, end, false, &id, &made);
	}
	if (fresh)
		*fresh = made;
	return id;
}

const char *routes_text(const struct routes *r, uint32_t id)
{
	if (!id || id > ROUTES_MAX ||
	    !__atomic_load_n(&r->ready[id - 1], __ATOMIC_ACQUIRE))
		return NULL;
	return r->text[id - 1];
}

uint32_t routes_count(const struct routes *r)
{
	return __atomic_load_n(&r->count, __ATOMIC_ACQUIRE);
}
