/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The probe's parts, and the probe against servers on this host. */

#include "lab.h"
#include "net.h"
#include "probe/envelope.h"
#include "probe/finch2008.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(probe, .timeout = 500);
TestSuite(sink, .timeout = 500);
TestSuite(identify, .timeout = 500);

/* RFC 5321 section 4.5.3.1, for each line of an envelope. */
static void check_line(const char *line, size_t len)
{
	const char *at, *label;
	size_t local, domain;

	cr_assert_leq(len, 512);
	cr_assert_arr_eq(line + len - 2, "\r\n", 2);
	if (strncmp(line, "RCPT TO:<", 9) != 0)
		return;
	at = memchr(line, '@', len);
	cr_assert_not_null(at);
	local = (size_t)(at - line) - 9;
	domain = len - 9 - local - 1 - 3;
	cr_assert(local >= 1 && local <= 64, "local part of %zu", local);
	cr_assert(domain >= 1 && domain <= 255, "domain of %zu", domain);
	cr_assert_leq(local + 1 + domain + 2, 256, "path");
	label = at + 1;
	for (const char *p = label;; p++) {
		if (*p != '.' && *p != '>')
			continue;
		cr_assert(p - label >= 1 && p - label <= 63, "label of %td: %.*s", p - label,
			  (int)len, line);
		if (*p == '>')
			break;
		label = p + 1;
	}
}

Test(envelope, every_size_is_exact_and_legal)
{
	static char text[ENVELOPE_MAX + 1];

	for (size_t size = ENVELOPE_MIN; size <= ENVELOPE_MAX; size += size < 5000 ? 1 : 97) {
		unsigned lines = 0, commands;
		size_t start = 0;

		memset(text, '#', sizeof(text));
		commands = envelope_build(text, size);
		cr_assert_eq(text[size], '#', "size %zu is overrun", size);
		for (size_t i = 0; i < size; i++) {
			if (text[i] != '\n')
				continue;
			check_line(text + start, i + 1 - start);
			start = i + 1;
			lines++;
		}
		cr_assert_eq(start, size, "size %zu does not end with a line", size);
		cr_assert_eq(lines, commands);
		cr_assert_arr_eq(text, "MAIL FROM:<>\r\n", 14);
		cr_assert_arr_eq(text + size - 6, "DATA\r\n", 6);
	}
}

Test(law, observations_of_2008)
{
	const size_t whole[] = { 0 }, first_line[] = { 14, 0 };

	cr_assert_not(finch2008_stalls(512, whole, 1448, 512));
	cr_assert(finch2008_stalls(513, whole, 1448, 512));
	cr_assert_not(finch2008_stalls(514, whole, 1448, 512));
	cr_assert_not(finch2008_stalls(1024, whole, 1448, 512));
	cr_assert(finch2008_stalls(1025, whole, 1448, 512));
	cr_assert_not(finch2008_stalls(1026, whole, 1448, 512));
	cr_assert_not(finch2008_stalls(513, first_line, 1448, 512));
	/* predictions above one packet */
	cr_assert(finch2008_stalls(1961, whole, 1448, 512));
	cr_assert(finch2008_stalls(2473, whole, 1448, 512));
	cr_assert_not(finch2008_stalls(1537, whole, 1448, 512));
	cr_assert(finch2008_stalls(1537, whole, 9000, 512));
}

Test(net, targets)
{
	static const struct {
		const char *text, *address;
		uint16_t port;
	} good[] = {
		{ "192.0.2.1", "192.0.2.1", 25 },	  { "192.0.2.1:587", "192.0.2.1", 587 },
		{ "2001:db8::1", "2001:db8::1", 25 },	  { "[2001:db8::1]", "2001:db8::1", 25 },
		{ "[2001:db8::1]:587", "2001:db8::1", 587 },
	};
	static const char *const bad[] = { "", ":25", "[2001:db8::1", "[2001:db8::1]587",
					   "192.0.2.1:x",
					   "192.0.2.1:0", "192.0.2.1:99999" };
	union net_address a;
	struct error error;
	char text[NET_TEXT_BYTES];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert(net_resolve(good[i].text, 25, AF_UNSPEC, &a, &error));
		net_text(&a, text);
		cr_assert_str_eq(text, good[i].address);
		cr_assert_eq(net_port(&a), good[i].port);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_not(net_resolve(bad[i], 25, AF_UNSPEC, &a, &error), "%s", bad[i]);
}

/* Servers -------------------------------------------------------------------------------- */

static int listener(uint16_t *port)
{
	union net_address a = { .in = { .sin_family = AF_INET } };
	socklen_t len = sizeof(a.in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(fd, &a.sa, len), 0);
	cr_assert_eq(listen(fd, 10), 0);
	cr_assert_eq(getsockname(fd, &a.sa, &len), 0);
	*port = net_port(&a);
	return fd;
}

/* Probes a server that calls `serve` for its one connection. */
static struct lab_result probe_server(void (*serve)(int fd))
{
	struct lab_result r;
	uint16_t port;
	int fd = listener(&port);
	pid_t server = fork();

	if (server == 0) {
		serve(accept(fd, NULL, NULL));
		_exit(0);
	}
	close(fd);
	r = lab_run(LAB_ROOT, "reseg-probe one --size 513 --timeout 1 127.0.0.1:%u", port);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return r;
}

static void serve_reset(int fd)
{
	struct linger abort_it = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
	close(fd);
}

static void serve_babble(int fd)
{
	cr_assert_eq(write(fd, "SSH-2.0-OpenSSH\r\n", 17), 17);
	pause();
}

static void serve_silence(int fd)
{
	(void)fd;
	pause();
}

static void serve_error(int fd)
{
	cr_assert_eq(write(fd, "554 no service\r\n", 16), 16);
	pause();
}

static void serve_end(int fd)
{
	cr_assert_eq(write(fd, "220 hello\r\n", 11), 11);
	shutdown(fd, SHUT_WR);
	pause();
}

static void expect_finding(struct lab_result r, const char *outcome, const char *text)
{
	lab_expect_status(&r, 1);
	cr_assert_str_eq(r.err, "");
	cr_assert(strstr(r.out, outcome) && strstr(r.out, text), "%s", r.out);
}

Test(probe, bad_servers)
{
	struct lab_result r;
	uint16_t port;
	int fd = listener(&port);

	close(fd);
	r = lab_run(LAB_ROOT, "reseg-probe one --size 513 127.0.0.1:%u", port);
	expect_finding(r, "refused", "is a server listening there?");
	expect_finding(probe_server(serve_reset), "reset", "connection reset");
	expect_finding(probe_server(serve_babble), "error", "does not talk SMTP");
	expect_finding(probe_server(serve_silence), "error", "no greeting");
	expect_finding(probe_server(serve_error), "error", "greets with an error");
	expect_finding(probe_server(serve_end), "error", "closed the connection");
}

Test(probe, usage)
{
	static const struct lab_usage cases[] = {
		{ "", "say sweep, one or identify" },
		{ "sweep 127.0.0.1", "sweep needs --sizes" },
		{ "one --sizes 1-2 127.0.0.1", "one needs --size" },
		{ "one --size 34 127.0.0.1", "35 to 65536" },
		{ "one --size 65537 127.0.0.1", "35 to 65536" },
		{ "one --size 100-200 127.0.0.1", "whole number" },
		{ "sweep --sizes 100-50 127.0.0.1", "500-530,1025" },
		{ "sweep --sizes 100,,200 127.0.0.1", "35 to 65536" },
		{ "sweep --sizes '' 127.0.0.1", "35 to 65536" },
		{ "one --size 513", "one target" },
		{ "one --size 513 127.0.0.1:0", "1 to 65535" },
		{ "one --size 513 --timeout -1 127.0.0.1", "in seconds" },
		{ "one --size 513 --timeout nan 127.0.0.1", "in seconds" },
		{ "one --size 513 --format xml 127.0.0.1", "table, json, tap or junit" },
		{ "one --size 513 --expect /nonexistent 127.0.0.1", "finch2008, clean or a file" },
		{ "one --size 513 --protocol ftp 127.0.0.1", "smtp or echo" },
		{ "one --size 513 --split x 127.0.0.1", "whole number" },
		{ NULL, NULL },
	};

	lab_expect_usage_errors(LAB_ROOT, "reseg-probe", "", cases);
}

/* Starts the sink on free ports, runs a command, stops it. */
static struct lab_result with_sink(const char *options, const char *command)
{
	uint16_t smtp, echo;
	int a = listener(&smtp), b = listener(&echo);

	close(a);
	close(b);
	lab_dir();
	return lab_run(LAB_ROOT,
		"mkfifo $DIR/ready\n"
		"SMTP=127.0.0.1:%u ECHO=127.0.0.1:%u\n"
		"reseg-sink --listen 127.0.0.1 --smtp %u --echo %u %s "
		"--ready-fd 3 3>$DIR/ready & sink=$!\n"
		"read line <$DIR/ready; rm $DIR/ready\n"
		"%s\n"
		"status=$?; kill $sink; wait $sink; exit $status",
		smtp, echo, smtp, echo, options, command);
}

Test(probe, all_formats)
{
	struct lab_result r;
	json_t *rows;

	r = with_sink("", "reseg-probe sweep --sizes 35-40,513,65536 --format json $SMTP");
	lab_expect_status(&r, 0);
	rows = json_object_get(lab_json(r.out), "rows");
	cr_assert_eq(json_array_size(rows), 8);
	cr_assert_eq(lab_number(json_array_get(rows, 6), "size"), 513);
	cr_assert_eq(lab_number(json_array_get(rows, 6), "bytes_acked"), 513);
	cr_assert_str_eq(lab_string(json_array_get(rows, 6), "outcome"), "ok");

	/* a clean path is not the firewall of 2008 */
	r = with_sink("",
		      "reseg-probe sweep --sizes 512-514 --expect finch2008 --format tap $SMTP");
	lab_expect_status(&r, 1);
	cr_assert(strstr(r.out,
			 "1..3\nok 1 - size 512 ok\nnot ok 2 - size 513 ok\n# expected stalled"),
		  "%s", r.out);
	r = with_sink("",
		      "reseg-probe sweep --sizes 512-514 --expect finch2008 --format junit $SMTP");
	lab_expect_status(&r, 1);
	cr_assert(strstr(r.out, "tests=\"3\" failures=\"1\""), "%s", r.out);
	r = with_sink("", "reseg-probe sweep --sizes 512-514 --expect finch2008 $SMTP");
	lab_expect_status(&r, 1);
	cr_assert(strstr(r.out, "Not as expected (finch2008): 1 of 3 sizes."), "%s", r.out);
}

Test(probe, a_sweep_can_be_the_expectation)
{
	struct lab_result r = with_sink("",
		"reseg-probe sweep --sizes 500-520 --format json $SMTP >$DIR/before &&"
		"reseg-probe sweep --sizes 500-520 --expect $DIR/before $SMTP &&"
		"! reseg-probe sweep --sizes 500-521 --expect $DIR/before $SMTP");

	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, "expected: nothing"), "%s", r.out);
}

Test(sink, without_pipelining)
{
	struct lab_result r = with_sink("--no-pipelining", "reseg-probe one --size 513 $SMTP");

	expect_finding(r, "error", "does not offer PIPELINING");
}

Test(sink, echo)
{
	struct lab_result r = with_sink("",
		"reseg-probe sweep --protocol echo --sizes 1-100,65536 $ECHO");

	lab_expect_status(&r, 0);
}

/* Starts a sink with the count service and one further option, and connects to it. */
static int connect_to_sink(const char *option, const char *value, pid_t *sink)
{
	union net_address a = { .in = { .sin_family = AF_INET } };
	char port[8], ready;
	uint16_t number;
	int fd = listener(&number), fds[2];

	close(fd);
	snprintf(port, sizeof(port), "%u", number);
	cr_assert_eq(pipe(fds), 0);
	*sink = fork();
	if (*sink == 0) {
		dup2(fds[1], 3);
		execlp("reseg-sink", "reseg-sink", "--count", port, "--ready-fd", "3", option,
		       value, NULL);
		_exit(126);
	}
	close(fds[1]);
	cr_assert_eq(read(fds[0], &ready, 1), 1);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.in.sin_port = htons(number);
	cr_assert_eq(connect(fd, &a.sa, sizeof(a.in)), 0);
	return fd;
}

Test(sink, count)
{
	static const char data[123456];
	char answer[32];
	pid_t sink;
	int fd = connect_to_sink(NULL, NULL, &sink);
	ssize_t n;

	cr_assert_eq(write(fd, data, sizeof(data)), sizeof(data));
	shutdown(fd, SHUT_WR);
	n = recv(fd, answer, sizeof(answer), MSG_WAITALL);
	cr_assert_eq(n, 7);
	cr_assert_arr_eq(answer, "123456\n", 7);
	kill(sink, SIGKILL);
	waitpid(sink, NULL, 0);
}

Test(sink, mss)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	pid_t sink;
	int fd = connect_to_sink("--mss", "512", &sink);

	cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	/* A sender subtracts its options from the MSS (RFC 6691). */
	cr_assert_eq(info.tcpi_snd_mss, info.tcpi_options & TCPI_OPT_TIMESTAMPS ? 500 : 512);
	kill(sink, SIGKILL);
	waitpid(sink, NULL, 0);
}

Test(sink, usage)
{
	struct lab_result r;

	r = lab_run(LAB_ROOT, "reseg-sink --smtp 0");
	lab_expect_error(&r, 2, "1 to 65535");
	r = lab_run(LAB_ROOT, "reseg-sink --mss 87");
	lab_expect_error(&r, 2, "88 to 32767");
	r = lab_run(LAB_ROOT, "reseg-sink --listen nonsense --smtp 2525");
	lab_expect_error(&r, 2, "cannot listen");
	r = lab_run(LAB_ROOT, "reseg-sink --save /nonexistent --smtp 2525");
	lab_expect_error(&r, 2, "--save /nonexistent");
	r = with_sink("", "reseg-sink --listen 127.0.0.1 --smtp ${SMTP#*:}");
	lab_expect_error(&r, 2, "is taken by another program");
}

/* The three suspects of 2008, and a path with nothing wrong. */
LAB_TEST(identify, suspects)
{
	static const struct {
		const char *options, *class;
		int segment_size, bytes;
	} cases[] = {
		{ "", "off-by-one", 512, 0 },
		{ "--fault mtu-blackhole:bytes=1000", "mtu-blackhole", 0, 1000 },
		{ "--fault none --sink-options '--callout-delay 0.3 --hold-replies'", "slow-server",
		  0, 0 },
		{ "--fault none", "none", 0, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct lab_result r = lab_run(c.user, "reseg-lab -%d %s -- sh -c "
						      "'reseg-probe identify --timeout 1 --format "
						      "json $RESEG_SERVER'",
					      c.ip, cases[i].options);
		const json_t *answer = lab_json(r.out);

		lab_expect_status(&r, strcmp(cases[i].class, "none") == 0 ? 0 : 1);
		cr_assert_str_eq(lab_string(answer, "class"), cases[i].class, "%s", r.out);
		cr_assert(json_is_true(json_object_get(answer, "sure")));
		if (cases[i].segment_size)
			cr_assert_eq(lab_number(answer, "segment_size"), cases[i].segment_size);
		if (cases[i].bytes)
			cr_assert_eq(lab_number(answer, "bytes"), cases[i].bytes);
		cr_assert_geq(json_array_size(json_object_get(answer, "evidence")), 1);
	}
}

/* Chance must be told from a fault: what fails once, and not again, is none. */
LAB_TEST(identify, loss_is_no_fault)
{
	struct lab_result r = lab_run(c.user,
				      "reseg-lab -%d --fault none --loss 1 -- reseg-probe identify "
				      "server", c.ip);

	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, "no fault found"), "%s%s", r.out, r.err);
}

/* A server's misbehaviour must not be taken for the network's. */
LAB_TEST(identify, chaos)
{
	static const struct {
		const char *chaos, *outcome, *replies;
	} cases[] = {
		{ "RCPT=451", "rejected", "5 of 5" }, { "DATA=silence", "stalled", "4 of 5" },
		{ "RCPT=reset", "reset", "0 of 5" },
		{ "RCPT=close/2", "error", "2 of 5" }, { "DATA=0.2s", "ok", "5 of 5" },
		{ "NOOP=close", "ok", "5 of 5" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct lab_result r = lab_run(c.user,
					      "reseg-lab -%d --fault none --sink-options '--chaos "
					      "%s' -- "
						      "reseg-probe one --size 600 --timeout 0.5 "
						      "server", c.ip, cases[i].chaos);

		cr_assert(strstr(r.out, cases[i].outcome) && strstr(r.out, cases[i].replies),
			  "%s: %s%s", cases[i].chaos,
			  r.out, r.err);
	}
}

/* Without a server identify has nothing to find out. */
Test(identify, cannot_be_tried)
{
	static const struct lab_usage cases[] = {
		{ "identify 127.0.0.1:1", "connection refused" },
		{ "identify --sizes 5 127.0.0.1:1", "identify takes --timeout" },
		{ "identify --format tap 127.0.0.1:1", "identify takes --timeout" },
		{ "identify", "give one target" },
		{ NULL, NULL },
	};

	lab_expect_usage_errors(LAB_ROOT, "reseg-probe", "", cases);
	lab_expect_usage_errors(LAB_ROOT, "reseg-sink", "", (const struct lab_usage[]){
		{ "--chaos RCPT", "give VERB=WHAT" }, { "--chaos RCPT=", "give VERB=WHAT" },
		{ "--chaos =451", "give VERB=WHAT" },
		{ "--chaos RCPT=99", "200 to 599" }, { "--chaos RCPT=451/0", "from 1" },
		{ "--chaos RCPT=xs", "time in seconds" },
		{ "--callout-delay soon", "time in seconds" }, { NULL, NULL } });
}
