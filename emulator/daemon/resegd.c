/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * resegd: the daemon on a gateway
 *
 *      NFQUEUE --packet--> engine --verdict--> NFQUEUE
 *                             \--packet--> injector
 *
 * There is one worker for each queue: a thread with one loop, which waits for a packet or for
 * the engine's deadline. The first thread waits for signals and answers requests.
 */

#include "daemon/daemon.h"
#include "daemon/options.h"
#include "daemon/requests.h"
#include "io/cli.h"
#include "io/clock.h"
#include "io/notify.h"
#include "settings/faultspec.h"

#include <inttypes.h>
#include <stdlib.h>

/* The faults of a policy, in one line. The caller frees it. */
static char *faults_text(const struct engine_policy *policy)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		cli_die("out of memory");
	for (unsigned i = 0; i < policy->faults; i++) {
		fputs(i > 0 ? " and " : "", out);
		faultspec_print(out, &policy->fault[i]);
	}
	if (policy->faults == 0)
		fputs("none", out);
	fclose(out);
	return text;
}

static bool has_failed(const struct daemon *d)
{
	for (unsigned i = 0; i < d->count; i++) {
		if (d->workers[i].failed)
			return true;
	}
	return false;
}

static void print_summary(const struct daemon *d)
{
	struct engine_stats sum = { 0 };
	uint64_t lost = 0, truncated = 0;

	for (unsigned i = 0; i < d->count; i++) {
		const struct queue_stats *q = &d->workers[i].queue_stats;
		struct engine_stats s;

		engine_get_stats(d->workers[i].engine, &s);
		sum.packets += s.packets;
		sum.flows_opened += s.flows_opened;
		sum.stalls += s.stalls;
		sum.orphaned_bytes += s.orphaned_bytes;
		lost += q->lost > q->overruns ? q->lost : q->overruns;
		truncated += q->truncated;
	}
	cli_say("%" PRIu64 " packets, %" PRIu64 " flows, %" PRIu64 " stalls, %" PRIu64
		" bytes orphaned now, %" PRIu64 " packets lost before the box",
		sum.packets, sum.flows_opened, sum.stalls, sum.orphaned_bytes, lost);
	if (truncated > 0)
		cli_say("%" PRIu64 " packets were longer than the queue can copy, and were lost: "
			"reseg-rules check names the links",
			truncated);
}

static void print_start(const struct daemon *d)
{
	const struct settings *s = &d->settings;
	char *faults = faults_text(&s->engine.rules.policy[0]), policies[64] = "";

	if (s->secret) {
		cli_say("queue %u, %u worker%s, a mystery, injector %s", s->queue.number, d->count,
			d->count == 1 ? "" : "s", d->workers[0].injector->kind->name);
		free(faults);
		return;
	}
	if (s->engine.rules.policies > 1)
		snprintf(policies, sizeof(policies), ", %u more polic%s",
			 s->engine.rules.policies - 1, s->engine.rules.policies == 2 ? "y" : "ies");
	cli_say("queue %u, %u worker%s, segment size %" PRIu32 ", fault %s%s, injector %s",
		s->queue.number, d->count, d->count == 1 ? "" : "s",
		s->engine.rules.policy[0].segment_size, faults, policies,
		d->workers[0].injector->kind->name);
	free(faults);
}

int main(int argc, char **argv)
{
	static struct daemon d;
	struct settings_mistakes mistakes;
	struct invocation in;

	cli_program = "resegd";
	options_read(&in, argc, argv);
	d.argc = argc;
	d.argv = argv;
	d.config = in.config;
	d.started_ns = clock_ns(CLOCK_MONOTONIC);
	d.epoch_ns = clock_ns(CLOCK_REALTIME) - d.started_ns;
	if (!options_read_settings(&d.settings, in.config, argc, argv, true, &mistakes))
		cli_die_lines(mistakes.text);
	if (in.check) {
		settings_free(&d.settings);
		return EXIT_GOOD;
	}
	if (notify_open() < 0)
		cli_die("NOTIFY_SOCKET is set but not usable: unset it, or let the service manager "
			"start resegd");
	daemon_set_up(&d, requests_answer);
	if (!in.quiet)
		print_start(&d);
	if (in.ready_fd >= 0)
		cli_ready(in.ready_fd);
	notify("READY=1");
	daemon_run(&d, in.quiet,
		   in.duration_ns == UINT64_MAX ? UINT64_MAX
						: clock_ns(CLOCK_MONOTONIC) + in.duration_ns);
	if (!in.quiet && !d.settings.secret)
		print_summary(&d);
	daemon_tear_down(&d);
	return has_failed(&d) ? EXIT_FINDING : EXIT_GOOD;
}
