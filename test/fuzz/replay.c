/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over the files named, or over all files of the folders named, without libFuzzer: the
 * corpus as a unit test, with any compiler.  Each input is given from a block of exactly its size, so
 * that a sanitizer sees one byte too far.
 */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	int r = 1;

	if (!f || fstat(fileno(f), &st) < 0) {
		perror(path);
		goto out;
	}
	size_t size = (size_t)st.st_size;
	uint8_t *data = malloc(size ? size : 1);
	if (data && fread(data, 1, size, f) == size) {
		fprintf(stderr, "%s\n", path);
		LLVMFuzzerTestOneInput(data, size);
		r = 0;
	}
	free(data);
out:
	if (f)
		fclose(f);
	return r;
}

static int replay(const char *path)
{
	DIR *d = opendir(path);
	int r = 0;

	if (!d)
		return replay_file(path);
	for (struct dirent *e; (e = readdir(d));) {
		char file[4096];
		if (e->d_name[0] == '.')
			continue;
		if (snprintf(file, sizeof(file), "%s/%s", path, e->d_name) < (int)sizeof(file))
			r |= replay_file(file);
	}
	closedir(d);
	return r;
}

int main(int argc, char **argv)
{
	int r = 0;

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		r |= replay(argv[i]);
	return r;
}
