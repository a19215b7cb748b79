/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * reseg-sim: many simulations, one for each seed; a tool for developers, not installed
 */

#include "core/units.h"
#include "io/cli.h"
#include "sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

static void print_help(void)
{
	printf("Usage: reseg-sim [OPTION]...\n"
	       "Runs the engine between two simulated ends, over networks that lose, reorder and\n"
	       "repeat packets as each seed decides. With no fault in the box, every stream must\n"
	       "arrive whole. The digest covers all packets: it changes only if the engine\n"
	       "behaves differently.\n"
	       "\n"
	       "  --first SEED   first seed (1)\n"
	       "  --seeds N      how many (1000)\n"
	       "  --trace        show every packet; for one seed\n"
	       "  --help, --version\n");
}

/* If an end was aborted, streams need not arrive whole, but the flow must not hang either. */
static const char *what_is_wrong(const struct sim_result *r)
{
	if (r->error)
		return r->error;
	if (!r->done && !r->aborted)
		return "the ends never finished";
	if (r->stats.flows_active > 0)
		return "the box did not forget the flow";
	if (r->stats.pages_used > 0 || r->stats.orphaned_bytes > 0)
		return "the box still holds something";
	return NULL;
}

int main(int argc, char **argv)
{
	enum { FIRST = 256, SEEDS, TRACE };
	static const struct option table[] = {
		{ "first", required_argument, NULL, FIRST },
		{ "seeds", required_argument, NULL, SEEDS },
		{ "trace", no_argument, NULL, TRACE },
		CLI_COMMON_OPTIONS,
	};
	static struct sim_options o;
	uint64_t first = 1, seeds = 1000, failed = 0, packets = 0, worst_ns = 0, worst_seed = 0;
	uint64_t digest = 0;
	struct sim_result r;
	FILE *trace = NULL;
	int option;

	cli_program = "reseg-sim";
	while ((option = cli_option(argc, argv, "", table, print_help)) != -1) {
		switch (option) {
		case FIRST:
			first = cli_number("--first", optarg, 0, UINT64_MAX / 2);
			break;
		case SEEDS:
			seeds = cli_number("--seeds", optarg, 1, UINT64_MAX / 2);
			break;
		case TRACE:
			trace = stdout;
			seeds = 1;
			break;
		}
	}
	for (uint64_t seed = first; seed < first + seeds; seed++) {
		const char *wrong;

		sim_random(&o, seed);
		o.trace = trace;
		sim_run(&o, &r);
		wrong = what_is_wrong(&r);
		packets += r.packets;
		digest = digest * 31 + r.digest;
		if (wrong) {
			failed++;
			printf("seed %" PRIu64 ": %s; see reseg-sim --first %" PRIu64 " --trace\n",
			       seed, wrong, seed);
		} else if (r.done && r.time_ns > worst_ns) {
			worst_ns = r.time_ns;
			worst_seed = seed;
		}
		if (isatty(STDERR_FILENO) && seed % 100 == 0)
			fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " seeds", seed - first,
				seeds);
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	printf("%" PRIu64 " seeds, %" PRIu64 " failed; %" PRIu64 " packets; the longest took %.1f "
	       "s of "
	       "simulated time (seed %" PRIu64 "); digest %016" PRIx64 "\n",
	       seeds, failed, packets, (double)worst_ns / NS_PER_S, worst_seed, digest);
	return failed > 0 ? EXIT_FINDING : EXIT_GOOD;
}
