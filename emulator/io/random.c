/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/random.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

/* FNV-1a: of a text and the zero at its end. */
static uint64_t stir(uint64_t hash, const char *text)
{
	do {
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	} while (*text++ != '\0');
	return hash;
}

/* SplitMix64, of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

bool random_from_seed(const char *program, void *to, size_t size)
{
	const char *seed = getenv("RESEG_SEED");
	unsigned char *bytes = to;
	uint64_t state = UINT64_C(0xcbf29ce484222325), word = 0;

	if (!seed || seed[0] == '\0')
		return false;
	state = stir(stir(state, program), seed);
	for (size_t i = 0; i < size; i++) {
		if (i % sizeof(word) == 0)
			word = next(&state);
		bytes[i] = (unsigned char)(word >> (8 * (i % sizeof(word))));
	}
	return true;
}

int random_bytes(const char *program, void *to, size_t size)
{
	ssize_t n;

	if (random_from_seed(program, to, size))
		return 0;
	n = getrandom(to, size, 0);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO;
}
