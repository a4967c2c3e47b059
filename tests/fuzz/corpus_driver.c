/*
 * corpus_driver: what libFuzzer does first, for compilers without it: hand
 * each file of the named folders to the fuzz target, once.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void feed_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;
	long size;

	if (!file)
		return;
	if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0) {
		rewind(file);
		bytes = malloc((size_t)size + 1);
		if (bytes &&
		    fread(bytes, 1, (size_t)size, file) == (size_t)size)
			LLVMFuzzerTestOneInput(bytes, (size_t)size);
		free(bytes);
	}
	fclose(file);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		DIR *folder = opendir(argv[i]);
		struct dirent *entry;
		char path[4096];

		while (folder && (entry = readdir(folder))) {
			snprintf(path, sizeof(path), "%s/%s", argv[i],
				 entry->d_name);
			if (entry->d_type == DT_REG)
				feed_file(path);
		}
		if (folder)
			closedir(folder);
	}
	return 0;
}
