/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab/answer.h"

#include "io/cli.h"
#include "lab/mystery.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROWS_MAX 40	/* for people; JSON has all */

/* Ends the program unless it is the name of a fault, with good parameters. */
static void check(const struct mystery_guess *guess)
{
	struct fault fault;
	struct error error;

	if (strcmp(guess->fault, MYSTERY_GIVE_UP) != 0 &&
	    !faultspec_read(&fault, guess->fault, &error))
		cli_die("--answer %s: %s; or give %s", guess->fault, error.text, MYSTERY_GIVE_UP);
}

/* Sends the guess to the lab, and returns its result. */
static json_t *ask(const struct mystery_guess *guess)
{
	json_t *request = json_pack("{s:s, s:i}", "fault", guess->fault, "segment_size",
				    (int)guess->segment_size),
	       *result;
	char *text = json_dumps(request, JSON_COMPACT);
	int fd = mystery_connect();

	if (fd < 0)
		cli_die("--answer: no mystery here: give it on the client of a lab that was "
			"started with reseg-lab --mystery SEED, or give --mystery SEED, too");
	if (!text || send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text) ||
	    shutdown(fd, SHUT_WR) < 0)
		cli_die("--answer: the lab does not take it");
	result = json_loadfd(fd, 0, NULL);
	if (!json_is_object(result))
		cli_die("--answer: the lab does not say whether it is right");
	close(fd);
	free(text);
	json_decref(request);
	return result;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static int64_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

/* What the clients have tried: a line for each connection, the last ones if there are many. */
static void print_connections(const json_t *connections)
{
	size_t count = json_array_size(connections);
	size_t first = count > ROWS_MAX ? count - ROWS_MAX : 0;

	if (count > 0)
		printf("%10s %10s %10s %10s  %s\n", "at once", "sent", "ACKed", "came back", "end");
	if (first > 0)
		printf("... and %zu before these: --format json has all\n", first);
	for (size_t i = first; i < count; i++) {
		const json_t *c = json_array_get(connections, i);
		const char *end = text_of(c, "end");

		printf("%10" PRId64 " %10" PRId64 " %10" PRId64 " %10" PRId64 "  %s%s\n",
		       number_of(c, "at_once"), number_of(c, "sent"), number_of(c, "acked"),
		       number_of(c, "received"),
		       strcmp(end, "reset") == 0 ? "RST by the "
		       : end[0] != '\0'          ? "FIN by the "
						 : "open",
		       text_of(c, "ended_by"));
	}
}

/* How hard it was, if a lab knows that. */
static void print_effort(const json_t *result)
{
	int64_t experiments = number_of(result, "experiments"),
		answers = 1 + (int64_t)json_array_size(json_object_get(result, "earlier"));

	if (json_object_get(result, "connections"))
		printf(" (%" PRId64 " experiment%s, %" PRId64 " answer%s)", experiments,
		       plural(experiments), answers, plural(answers));
	printf("\n");
}

static void print_result(const json_t *result)
{
	const json_t *secret = json_object_get(result, "secret"),
		     *answer = json_object_get(result, "answer");
	const char *verdict = text_of(result, "verdict"), *fault = text_of(secret, "fault");
	uint64_t seed = (uint64_t)number_of(result, "seed");
	int64_t segment_size = number_of(secret, "segment_size");

	printf("%s: mystery %" PRIu64 " is ", verdict, seed);
	if (json_is_object(secret))
		printf("%s, with segments of %" PRId64 " bytes", fault, segment_size);
	else if (strcmp(verdict, "partly") == 0)
		printf("%.*s, but not with these numbers",
		       (int)strcspn(text_of(answer, "fault"), ":"), text_of(answer, "fault"));
	else
		printf("not %s", text_of(answer, "fault"));
	print_effort(result);
	print_connections(json_object_get(result, "connections"));
	if (json_is_object(secret))
		printf("the same without a mystery: reseg-lab --fault %s --segment-size %" PRId64
		       "\n",
		       fault, segment_size);
}

int answer_run(const struct mystery_guess *guess, const uint64_t *seed, bool json)
{
	json_t *result;
	int status;

	check(guess);
	result = seed ? mystery_result(*seed, guess) : ask(guess);
	if (json_is_true(json_object_get(result, "again")))
		cli_say("this mystery has ended: this is the result that ended it");
	if (json) {
		json_dumpf(result, stdout, JSON_INDENT(2));
		printf("\n");
	} else {
		print_result(result);
	}
	status = strcmp(text_of(result, "verdict"), "right") == 0 ? EXIT_GOOD : EXIT_FINDING;
	json_decref(result);
	return status;
}
