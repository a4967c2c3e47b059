#include "tests/servers/rag_c/answer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct answer {
	char *text; /* all passages; the words are cut out of it */
	char **words;
	size_t count, room;
	size_t at; /* word that was said last */
	size_t left;
	uint64_t chance;
};

static uint64_t draw(struct answer *a)
{
	a->chance ^= a->chance << 13;
	a->chance ^= a->chance >> 7;
	a->chance ^= a->chance << 17;
	return a->chance;
}

static int add_word(struct answer *a, char *word)
{
	if (a->count == a->room) {
		size_t room = a->room ? 2 * a->room : 64;
		char **grown = realloc(a->words, room * sizeof(*grown));

		if (!grown)
			return -1;
		a->words = grown;
		a->room = room;
	}
	a->words[a->count++] = word;
	return 0;
}

static int add_texts(struct answer *a, const struct search_result *r)
{
	size_t len = 1;
	char *rest, *word;

	for (size_t i = 0; i < r->count; i++)
		len += strlen(r->hits[i].text) + 1;
	a->text = calloc(1, len);
	if (!a->text)
		return -1;
	for (size_t i = 0; i < r->count; i++) {
		strcat(a->text, r->hits[i].text);
		strcat(a->text, " ");
	}
	rest = a->text;
	while ((word = strsep(&rest, " "))) {
		if (*word && add_word(a, word) < 0)
			return -1;
	}
	return 0;
}

struct answer *answer_new(const struct search_result *r, const char *prompt,
			  size_t max_tokens)
{
	struct answer *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->left = max_tokens;
	a->chance = 0x9e3779b97f4a7c15u;
	for (; *prompt; prompt++)
		a->chance = a->chance * 31 + (unsigned char)*prompt;
	if (add_texts(a, r) < 0) {
		answer_free(a);
		return NULL;
	}
	a->at = a->count ? draw(a) % a->count : 0;
	return a;
}

void answer_free(struct answer *a)
{
	if (!a)
		return;
	free(a->words);
	free(a->text);
	free(a);
}

const char *answer_next(struct answer *a)
{
	size_t from;

	if (!a->left || !a->count)
		return NULL;
	a->left--;
	/* Go on after another place where the same word stands. */
	from = draw(a) % a->count;
	for (size_t i = 0; i < a->count; i++) {
		size_t j = (from + i) % a->count;

		if (strcmp(a->words[j], a->words[a->at]) == 0) {
			a->at = (j + 1) % a->count;
			break;
		}
	}
	return a->words[a->at];
}
