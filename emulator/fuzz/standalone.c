/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Stands in for libFuzzer in ordinary builds: runs a fuzzer over the files of the folders it is
 * given, and prints TAP. */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return 0;
	n = fread(data, 1, sizeof(data), f);
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	return 1;
}

int main(int argc, char **argv)
{
	unsigned files = 0;

	printf("TAP version 13\n1..1\n");
	fflush(stdout);
	for (int i = 1; i < argc; i++) {
		struct dirent *entry;
		DIR *dir = opendir(argv[i]);

		while (dir && (entry = readdir(dir))) {
			char path[4096];

			snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
			if (entry->d_name[0] != '.')
				files += run_file(path);
		}
		if (dir)
			closedir(dir);
	}
	printf("%sok 1 - %u inputs\n", files > 0 ? "" : "not ", files);
	return files > 0 ? 0 : 1;
}
