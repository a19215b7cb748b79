/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The answers of resegd at its control socket; docs/control.md has the keys
 */

#include "daemon/requests.h"

#include "daemon/daemon.h"
#include "daemon/worker_ask.h"
#include "io/cli.h"
#include "io/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Counters --------------------------------------------------------------------------- */

/* A 64-bit number that each worker has, summed over all of them. */
static const struct counter {
	const char *name;
	const char *help;
	bool is_gauge;
	size_t at;	/* in the report */
} counters[] = {
#define ENGINE(field, help)                                                                        \
	{                                                                                          \
#field, help, false, offsetof(struct worker_report, engine.field)                  \
	}
#define ENGINE_NOW(field, help)                                                                    \
	{                                                                                          \
#field, help, true, offsetof(struct worker_report, engine.field)                   \
	}
#define QUEUE(name, field, help)                                                                   \
	{                                                                                          \
		name, help, false, offsetof(struct worker_report, queue.field)                     \
	}
#define INJECTOR(name, field, help)                                                                \
	{                                                                                          \
		name, help, false, offsetof(struct worker_report, inject.field)                    \
	}
	ENGINE(packets, "packets that came to the box"),
	ENGINE(accepted, "packets that went on as they were"),
	ENGINE(replaced, "packets that went on changed"),
	ENGINE(dropped, "packets that the box took"),
	ENGINE(emitted, "packets that the box sent"),
	ENGINE(passed_not_tcp, "packets that passed untouched: not TCP"),
	ENGINE(passed_fragment, "packets that passed untouched: fragments"),
	ENGINE(passed_extension, "packets that passed untouched: an IPv6 extension header before "
				 "TCP"),
	ENGINE(passed_malformed, "packets that passed untouched: their lengths contradict each "
				 "other"),
	ENGINE(passed_bad_checksum, "packets that passed untouched: their checksum is wrong"),
	ENGINE(passed_unknown_flow, "packets that passed untouched: the box did not see the SYN"),
	ENGINE(passed_authenticated, "SYNs that passed untouched: TCP-MD5 or TCP-AO"),
	ENGINE(passed_overload, "SYNs that passed untouched: no room"),
	ENGINE(passed_draining, "SYNs that passed untouched: the box is being stopped"),
	ENGINE(passed_policy, "SYNs that passed untouched: by their policy"),
	ENGINE(refused_overload, "connections refused: no room"),
	ENGINE(flows_opened, "connections of which both SYNs were seen"),
	/* "Active" as an operator uses the word. The engine calls a flow active if it takes a
	 * place in its table. */
	{ "flows_active", "connections that are being opened, or open", true,
	  offsetof(struct worker_report, engine.flows_alive) },
	{ "flows_known", "connections in the table, also some that have ended", true,
	  offsetof(struct worker_report, engine.flows_active) },
	ENGINE(stalls, "times that a fault held octets back"),
	ENGINE(forged_acks, "ACKs sent in the name of an end"),
	ENGINE(retransmissions, "pieces sent again"),
	ENGINE(paths_limited, "paths found to carry less than was thought, so pieces are smaller "
			      "than S"),
	ENGINE(one_sided, "connections of which only one direction is seen"),
	ENGINE(unanswered, "connections in which an end acknowledged nothing for six time-outs"),
	ENGINE(urgent_segments, "segments with urgent data, treated as any others"),
	ENGINE(refused_arrivals, "segments not ACKed for want of buffers"),
	ENGINE_NOW(orphaned_bytes, "octets ACKed to their source that the other end has not "
				   "acknowledged"),
	ENGINE_NOW(pages_used, "pages of 4096 bytes in use for octets"),
	QUEUE("queue_overruns", overruns, "times that the kernel said the socket was full"),
	QUEUE("queue_lost", lost, "packets that the kernel dropped before the box"),
	QUEUE("queue_truncated", truncated, "packets too long for the queue"),
	QUEUE("queue_looped", looped, "packets of the box's own that came back"),
	QUEUE("queue_errors", errors, "verdicts that the kernel refused"),
	INJECTOR("inject_too_big", too_big, "packets larger than the MTU of their route"),
	INJECTOR("inject_congested", congested, "packets for which the kernel had no room"),
	INJECTOR("inject_failed", failed, "packets that the kernel refused to send"),
	{ "events_lost", "lines of the event log that could not be written", false,
	  offsetof(struct worker_report, events_lost) },
};

#define COUNTERS (sizeof(counters) / sizeof(counters[0]))

static uint64_t counter_value(const struct worker_report *r, const struct counter *c)
{
	return *(const uint64_t *)(const void *)((const char *)r + c->at);
}

struct sums {
	uint64_t counter[COUNTERS];
	uint64_t acted[POLICIES_MAX][FAULTS_MAX];
};

/* Answers -------------------------------------------------------------------------------- */

static json_t *failed(const char *why)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", why);
}

static json_t *refused(const struct error *error)
{
	char why[4 * sizeof(error->text)];	/* an octet may become four */

	/* JSON must be UTF-8, and a text that was cut short may not be. */
	cli_escape(why, sizeof(why), error->text);
	return failed(why);
}

static json_t *worker_failed(int rc)
{
	return failed(rc == -ESRCH
			      ? "resegd is being stopped"
			      : "a worker does not answer: it is overloaded, or the machine is");
}

/* Asks all workers. Returns 0, or why one did not answer. */
static int sum_up(struct daemon *d, struct sums *sums)
{
	memset(sums, 0, sizeof(*sums));
	for (unsigned i = 0; i < d->count; i++) {
		struct worker_report report;
		int rc = worker_get_report(&d->workers[i], &report);

		if (rc < 0)
			return rc;
		report.events_lost = d->log && i == 0 ? eventlog_lost(d->log)
						      : 0; /* all share the log */
		for (size_t k = 0; k < COUNTERS; k++)
			sums->counter[k] += counter_value(&report, &counters[k]);
		for (unsigned p = 0; p < POLICIES_MAX; p++) {
			for (unsigned k = 0; k < FAULTS_MAX; k++)
				sums->acted[p][k] += report.acted[p][k];
		}
	}
	return 0;
}

static json_t *faults_of(const struct daemon *d, unsigned policy, const struct sums *sums)
{
	const struct engine_policy *p = &d->settings.engine.rules.policy[policy];
	json_t *faults = json_array();

	for (unsigned i = 0; i < p->faults; i++) {
		char *text = faultspec_text(&p->fault[i]);

		json_array_append_new(faults,
				      json_pack("{s:I, s:s, s:s?, s:I}", "id",
						(json_int_t)p->fault[i].id, "name",
						p->fault[i].kind->name, "fault", text, "acted",
						(json_int_t)sums->acted[policy][i]));
		free(text);
	}
	return faults;
}

static json_t *status(struct daemon *d)
{
	static const char *const directions[] = { "none", "c2s", "s2c", "both" };
	json_t *policies = json_array(), *numbers = json_object();
	struct sums sums;
	int rc = sum_up(d, &sums);

	if (rc < 0) {
		json_decref(policies);
		json_decref(numbers);
		return worker_failed(rc);
	}
	for (unsigned i = 0; i < d->settings.engine.rules.policies; i++) {
		const struct engine_policy *p = &d->settings.engine.rules.policy[i];

		json_array_append_new(policies,
				      json_pack("{s:s, s:I, s:s, s:s, s:o}", "policy",
						d->settings.policy_name[i], "segment_size",
						(json_int_t)p->segment_size, "direction",
						directions[p->direction], "arrival",
						p->arrival == ARRIVAL_BURST ? "burst"
						: d->settings.queue.joined  ? "segment"
									    : "wire",
						"faults", faults_of(d, i, &sums)));
	}
	for (size_t i = 0; i < COUNTERS; i++)
		json_object_set_new(numbers, counters[i].name,
				    json_integer((json_int_t)sums.counter[i]));
	return json_pack("{s:b, s:s, s:i, s:i, s:i, s:f, s:b, s:s, s:o, s:o}", "ok", 1, "version",
			 RESEG_VERSION, "pid", (int)getpid(), "queue",
			 (int)d->settings.queue.number, "workers", (int)d->count, "uptime_s",
			 (double)(clock_ns(CLOCK_MONOTONIC) - d->started_ns) / NS_PER_S, "stopping",
			 (int)d->stopping, "injector", d->workers[0].injector->kind->name,
			 "policies", policies, "counters", numbers);
}

static json_t *half(const struct engine_flow_info *f, enum engine_side source)
{
	const struct engine_totals *t = &f->totals[source];

	if (!t->intercepted)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:b}", "acked", (json_int_t)t->acked, "delivered",
			 (json_int_t)t->delivered, "orphaned",
			 (json_int_t)(t->acked - t->delivered), "pending",
			 (json_int_t)f->pending[source], "stalled", (int)f->stalled[source]);
}

static json_t *flow(const struct daemon *d, const struct engine_flow_info *f)
{
	char address[2][INET6_ADDRSTRLEN];

	for (unsigned side = CLIENT; side <= SERVER; side++)
		inet_ntop(f->version == 4 ? AF_INET : AF_INET6, f->address[side], address[side],
			  sizeof(address[side]));
	return json_pack("{s:I, s:s, s:i, s:s, s:i, s:s, s:s, s:I, s:f, s:o, s:o}", "flow",
			 (json_int_t)f->serial, "client", address[CLIENT], "client_port",
			 (int)f->port[CLIENT], "server", address[SERVER], "server_port",
			 (int)f->port[SERVER], "state", f->state, "policy",
			 d->settings.policy_name[f->policy], "segment_size",
			 (json_int_t)f->segment_size, "idle_s", (double)f->idle_ns / NS_PER_S,
			 "c2s", half(f, CLIENT), "s2c", half(f, SERVER));
}

static json_t *flows(struct daemon *d)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < d->count; i++) {
		struct engine_flow_info *of = NULL;
		size_t count = 0;
		int rc = worker_get_flows(&d->workers[i], &of, &count);

		if (rc < 0) {
			json_decref(list);
			return worker_failed(rc);
		}
		for (size_t k = 0; k < count; k++)
			json_array_append_new(list, flow(d, &of[k]));
		free(of);
	}
	return json_pack("{s:b, s:o}", "ok", 1, "flows", list);
}

/* The text format of Prometheus, version 0.0.4. */
static json_t *metrics(struct daemon *d)
{
	struct sums sums;
	char *text = NULL;
	size_t size;
	FILE *out;
	json_t *answer;
	int rc = sum_up(d, &sums);

	if (rc < 0)
		return worker_failed(rc);
	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	for (size_t i = 0; i < COUNTERS; i++) {
		const struct counter *c = &counters[i];
		const char *suffix = c->is_gauge ? "" : "_total";

		fprintf(out, "# HELP reseg_%s%s %s\n# TYPE reseg_%s%s %s\nreseg_%s%s %" PRIu64 "\n",
			c->name, suffix, c->help, c->name, suffix,
			c->is_gauge ? "gauge" : "counter", c->name, suffix, sums.counter[i]);
	}
	fprintf(out, "# HELP reseg_fault_acted_total times that a fault changed something\n"
		     "# TYPE reseg_fault_acted_total counter\n");
	for (unsigned i = 0; i < d->settings.engine.rules.policies; i++) {
		const struct engine_policy *p = &d->settings.engine.rules.policy[i];

		for (unsigned k = 0; k < p->faults; k++)
			fprintf(out,
				"reseg_fault_acted_total{policy=\"%s\",fault=\"%s\",id=\"%" PRIu32
				"\"} %" PRIu64 "\n",
				d->settings.policy_name[i], p->fault[k].kind->name, p->fault[k].id,
				sums.acted[i][k]);
	}
	fprintf(out,
		"# HELP reseg_uptime_seconds time since resegd was started\n"
		"# TYPE reseg_uptime_seconds gauge\nreseg_uptime_seconds %.3f\n",
		(double)(clock_ns(CLOCK_MONOTONIC) - d->started_ns) / NS_PER_S);
	fclose(out);
	answer = json_pack("{s:b, s:s}", "ok", 1, "metrics", text);
	free(text);
	return answer;
}

/* Faults --------------------------------------------------------------------------------- */

/* Does `which` mean this fault: by its id, by its name, or as "all"? */
static bool is_meant(const struct fault *f, const char *which)
{
	char id[16];

	snprintf(id, sizeof(id), "%" PRIu32, f->id);
	return strcmp(which, "all") == 0 || strcmp(which, id) == 0 ||
	       strcmp(which, f->kind->name) == 0;
}

/* Removes faults from a policy. Returns how many. */
static unsigned take_out(struct engine_policy *p, const char *which)
{
	unsigned left = 0, taken;

	for (unsigned i = 0; i < p->faults; i++) {
		if (!is_meant(&p->fault[i], which))
			p->fault[left++] = p->fault[i];
	}
	taken = p->faults - left;
	p->faults = left;
	return taken;
}

/* Gives faults new parameters; they keep their ids, so their counts go on. Returns how many. */
static unsigned change(struct engine_policy *p, const char *which, const struct fault *to)
{
	unsigned changed = 0;

	for (unsigned i = 0; i < p->faults; i++) {
		uint32_t id = p->fault[i].id;

		if (!is_meant(&p->fault[i], which))
			continue;
		p->fault[i] = *to;
		p->fault[i].id = id;
		changed++;
	}
	return changed;
}

#define GIVE_DIRECTION "restart resegd, or change its file and reload, with direction "

/* A requested change of faults. */
struct change {
	const char *what, *which, *policy;	/* policy: NULL: all */
	const char *text;
	struct fault to;	/* the text, parsed; its kind is NULL if there is none */
};

/* Makes the change in one policy. Returns how many faults it concerned, or -1 with an error. */
static int edit(struct engine_policy *p, const struct change *c, struct error *error)
{
	if (strcmp(c->what, "off") == 0)
		return (int)take_out(p, c->which);
	if (strcmp(c->what, "on") == 0)
		return faultspec_add(p, c->text, error) ? 1 : -1;
	return fault_acts(c->to.kind) ? (int)change(p, c->which, &c->to)
				      : (int)take_out(p, c->which);
}

/* Makes the change in all policies that are meant. Returns how many faults it concerned, or -1 with
 * an error. */
static int edit_all(struct daemon *d, const struct change *c, struct error *error)
{
	struct engine_rules *rules = &d->settings.engine.rules;
	bool found = false, can_act = false;
	int concerned = 0;

	for (unsigned i = 0; i < rules->policies; i++) {
		struct engine_policy *p = &rules->policy[i];
		int n;

		if (c->policy && strcmp(c->policy, d->settings.policy_name[i]) != 0)
			continue;
		found = true;
		n = edit(p, c, error);
		if (n < 0)
			return -1;
		concerned += n;
		if (n > 0 &&
		    (!c->to.kind || faultspec_can_act(&c->to, p->direction, GIVE_DIRECTION, error)))
			can_act = true;
	}
	if (concerned > 0 && can_act)
		return concerned;
	if (concerned == 0)
		error_set(error, 0,
			  found ? "there is no such fault in use: give its name, its id, or all"
				: "there is no such policy");
	return -1;
}

static json_t *fault(struct daemon *d, json_t *request)
{
	struct change c = { .what = "", .which = "", .text = "" };
	struct settings before = d->settings;
	struct error error = { .at = 0 };
	int concerned, rc;

	if (json_unpack(request, "{s:s, s?s, s?s, s?s}", "do", &c.what, "policy", &c.policy,
			"which", &c.which, "fault", &c.text) < 0 ||
	    (strcmp(c.what, "on") != 0 && strcmp(c.what, "off") != 0 &&
	     strcmp(c.what, "change") != 0))
		return failed("\"fault\" needs \"do\": \"on\", \"off\" or \"change\", with "
			      "\"fault\", \"which\" or both, and perhaps \"policy\"; all strings");
	if (!c.policy && strcmp(c.what, "on") == 0)
		c.policy = d->settings.policy_name[0];
	if (strcmp(c.what, "off") != 0 && !faultspec_read(&c.to, c.text, &error))
		return refused(&error);
	concerned = edit_all(d, &c, &error);
	if (concerned < 0) {
		d->settings = before;
		return refused(&error);
	}
	rc = daemon_set_rules(d, NULL, &error);
	if (rc == -EINVAL)
		d->settings = before;
	if (rc < 0)
		return refused(&error);
	return json_pack("{s:b, s:i}", "ok", 1, "faults", concerned);
}

/* Requests ------------------------------------------------------------------------------- */

static json_t *reload(struct daemon *d)
{
	char changed[SETTINGS_NAMES_BYTES], *rest = changed;
	struct settings_mistakes mistakes;
	json_t *keys;

	if (!daemon_reload(d, changed, &mistakes))
		return failed(mistakes.text);
	keys = json_array();
	for (char *key = strsep(&rest, ", "); key; key = strsep(&rest, ", ")) {
		if (key[0] != '\0')
			json_array_append_new(keys, json_string(key));
	}
	return json_pack("{s:b, s:b, s:o}", "ok", 1, "needs_start", json_array_size(keys) > 0,
			 "changed_keys", keys);
}

static json_t *start_drain(struct daemon *d)
{
	daemon_stop(d);
	return json_pack("{s:b}", "ok", 1);
}

json_t *requests_answer(void *daemon, json_t *request)
{
	struct daemon *d = daemon;
	const char *command = json_string_value(json_object_get(request, "command"));

	if (!command)
		return failed("a request needs a \"command\"");
	if (d->settings.secret)
		return failed("this box has a mystery: it tells nothing about itself, and its "
			      "fault cannot be changed: reseg-lab --answer NAME says whether you "
			      "have found it");
	if (strcmp(command, "status") == 0)
		return status(d);
	if (strcmp(command, "flows") == 0)
		return flows(d);
	if (strcmp(command, "metrics") == 0)
		return metrics(d);
	if (strcmp(command, "fault") == 0)
		return fault(d, request);
	if (strcmp(command, "reload") == 0)
		return reload(d);
	if (strcmp(command, "drain") == 0)
		return start_drain(d);
	return failed("no such command; there are: status, flows, fault, reload, drain, metrics");
}
