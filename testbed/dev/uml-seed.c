/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Loaded into User-mode Linux (LD_PRELOAD): what its kernel takes for the host's randomness
 * depends only on $UML_SEED then, so that one seed is one run. See testbed/dev/uml-run.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* SplitMix64, of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

ssize_t getrandom(void *to, size_t bytes, unsigned flags)
{
	static uint64_t state;
	static bool begun;
	const char *seed = getenv("UML_SEED");
	uint8_t *at = to;

	(void)flags;
	if (!begun && seed)
		state = strtoull(seed, NULL, 10);
	begun = true;
	for (size_t left = bytes; left > 0;) {
		uint64_t word = next(&state);
		size_t n = left < sizeof(word) ? left : sizeof(word);

		memcpy(at, &word, n);
		at += n;
		left -= n;
	}
	return (ssize_t)bytes;
}
