/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The lab itself. */

#include "lab.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(lab, .timeout = 500);

LAB_TEST(lab, default_command_is_the_sweep)
{
	struct lab_result r = lab_run(c.user, "reseg-lab -%d", c.ip);

	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, "\n        513  stalled"), "%s", r.out);
	cr_assert(strstr(r.out, "\n       1025  stalled"), "%s", r.out);
	cr_assert(strstr(r.out, "As expected (finch2008)."), "%s", r.out);
}

LAB_TEST(lab, exit_status_and_names)
{
	struct lab_result r;

	r = lab_run(c.user, "reseg-lab -%d -- sh -c 'exit 77'", c.ip);
	lab_expect_status(&r, 77);
	r = lab_run(c.user, "reseg-lab -%d -- sh -c 'kill -9 $$'", c.ip);
	lab_expect_status(&r, 128 + 9);
	r = lab_run(c.user, "reseg-lab -%d -- /nosuch/program", c.ip);
	lab_expect_error(&r, 127, "/nosuch/program");
	/* Names have only the version of IP that was asked for, even for a program that tries IPv6
	 * first. */
	r = lab_run(c.user, "reseg-lab -%d -- sh -c 'getent ahosts server; getent ahosts box'",
		    c.ip);
	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, c.ip == 4 ? "203.0.113.2" : "2001:db8:2::2"), "%s", r.out);
	cr_assert(strstr(r.out, c.ip == 4 ? "198.51.100.1" : "2001:db8:1::1"), "%s", r.out);
	cr_assert_null(strstr(r.out, c.ip == 4 ? "2001:db8:" : ".0.113."), "%s", r.out);
	r = lab_run(c.user, "reseg-lab -- getent ahosts server");
	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, "203.0.113.2") && strstr(r.out, "2001:db8:2::2"), "%s", r.out);
	r = lab_run(c.user,
		    "reseg-lab -%d -- sh -c 'echo $RESEG_SERVER $RESEG_SERVER6 $RESEG_PORT'", c.ip);
	cr_assert_str_eq(r.out, c.ip == 4 ? "203.0.113.2 2001:db8:2::2 25\n" :
					    "2001:db8:2::2 2001:db8:2::2 25\n");
}

/* Starts a lab with this command for the shell. Returns its process, and the read end of a pipe
 * that is the standard output of every process of the lab. */
static pid_t start_lab(enum lab_user user, const char *command, int *pipe_end)
{
	int fds[2];
	pid_t pid;

	cr_assert_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		if (user == LAB_ORDINARY && geteuid() == 0)
			execlp("setpriv", "setpriv", "--reuid", "65534", "--regid", "65534",
			       "--clear-groups",
			       "reseg-lab", "--", "sh", "-c", command, NULL);
		execlp("reseg-lab", "reseg-lab", "--", "sh", "-c", command, NULL);
		_exit(126);
	}
	close(fds[1]);
	*pipe_end = fds[0];
	return pid;
}

/* The same with a command that waits for ever; returns once it has said "up". */
static pid_t start_waiting_lab(enum lab_user user, int *pipe_end)
{
	pid_t pid = start_lab(user, "echo up; sleep 1000; exit 5", pipe_end);
	char byte[3];

	cr_assert_eq(read(*pipe_end, byte, 3), 3);
	return pid;
}

static char *mounts_and_links(void)
{
	return lab_run(LAB_ORDINARY, "cat /proc/self/mountinfo; ls /sys/class/net").out;
}

LAB_TEST(lab, nothing_is_left_when_it_is_killed)
{
	char *before = mounts_and_links();
	int pipe_end, status;
	char byte;
	pid_t lab;

	(void)c.ip;
	lab = start_waiting_lab(c.user, &pipe_end);
	kill(lab, SIGKILL);
	waitpid(lab, &status, 0);
	cr_assert(WIFSIGNALED(status));
	/* The pipe has ended: no process of the lab lives any more. */
	cr_assert_eq(read(pipe_end, &byte, 1), 0);
	cr_assert_str_eq(mounts_and_links(), before);
}

/* Two hundred in a row, every third of them killed at some moment of its life. */
static void many_labs(enum lab_user user)
{
	char *before = mounts_and_links();

	for (unsigned i = 0; i < 200; i++) {
		int pipe_end, status;
		char byte;
		pid_t lab = start_lab(user, "exit 5", &pipe_end);

		if (i % 3 == 0) {
			usleep(i * 1000);
			kill(lab, SIGKILL);
		}
		waitpid(lab, &status, 0);
		cr_assert(i % 3 == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 5),
			  "lab %u: status %x",
			  i, status);
		cr_assert_eq(read(pipe_end, &byte, 1), 0, "lab %u: a process is left", i);
		close(pipe_end);
	}
	cr_assert_str_eq(mounts_and_links(), before);
}

Test(lab, many_labs_by_root, .timeout = 300)
{
	lab_start(LAB_ROOT);
	many_labs(LAB_ROOT);
}

Test(lab, many_labs_by_an_ordinary_user, .timeout = 300)
{
	lab_start(LAB_ORDINARY);
	many_labs(LAB_ORDINARY);
}

LAB_TEST(lab, hosts_have_names)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --server 'hostname >$DIR/server; exec reseg-sink --smtp 25' -- "
		"hostname", c.ip);

	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "client\n");
	r = lab_run(c.user, "cat $DIR/server");
	cr_assert_str_eq(r.out, "server\n");
}

LAB_TEST(lab, any_server)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --port 2525 --server 'exec reseg-sink --smtp 2525' -- "
		"sh -c 'reseg-probe one --size 512 --expect clean server:$RESEG_PORT'", c.ip);

	lab_expect_status(&r, 0);
	/* reseg-sink at that port, found by the sweep */
	r = lab_run(c.user, "reseg-lab -%d --port 2525", c.ip);
	lab_expect_status(&r, 0);
	r = lab_run(c.user, "reseg-lab -%d --server 'exit 3' -- true", c.ip);
	lab_expect_error(&r, 2, "the server ended (status 3) before it listened on port 25");
}

LAB_TEST(lab, several_clients)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --clients 8 --events $DIR/events -- sh -c '"
		"for n in \"\" 2 3 4 5 6 7 8; do "
		"reseg-lab enter --on client$n -- reseg-probe one --size 600 --expect clean "
		"$RESEG_SERVER >/dev/null || "
		"exit 10; getent hosts client$n >/dev/null || exit 11; done; "
		"reseg-lab enter --on client8 -- hostname'", c.ip);
	json_t *events, *event, *addresses = json_object();
	size_t i;

	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "client8\n");
	events = lab_json_lines("events");
	json_array_foreach(events, i, event) {
		if (strcmp(lab_string(event, "event"), "flow_opened") == 0)
			json_object_set_new(addresses, lab_string(event, "client"), json_true());
	}
	cr_assert_eq(json_object_size(addresses), 8);
	r = lab_run(c.user, "reseg-lab -%d -- reseg-lab enter --on client2 -- true", c.ip);
	lab_expect_error(&r, 2, "no such host");
}

/* Rules may be missing because reseg-rules has loaded none, or because the command has removed
 * them, at once or between two connections. */
LAB_TEST(lab, a_box_that_sees_nothing_proves_nothing)
{
	struct lab_result r = lab_run(c.user,
		"mkdir $DIR/blind && cd $DIR/blind && "
		"for p in reseg-lab resegd reseg-sink reseg-probe; do cp \"$(command -v $p)\" . || "
		"exit; done; "
		"printf '#!/bin/sh\\n' >reseg-rules && chmod +x reseg-rules && "
		"./reseg-lab -%d -- ./reseg-probe one --size 513 server", c.ip);

	lab_expect_error(&r, 2, "resegd saw none of the ");
	r = lab_run(c.user, "reseg-lab -%d -- sh -c '"
			    "reseg-lab enter --on box -- reseg-rules remove --quiet; "
			    "reseg-probe one --size 513 $RESEG_SERVER'", c.ip);
	lab_expect_error(&r, 2, "resegd saw none of the ");
	r = lab_run(c.user, "reseg-lab -%d --fault none -- sh -c '"
			    "reseg-probe one --size 513 $RESEG_SERVER && "
			    "reseg-lab enter --on box -- reseg-rules remove --quiet; "
			    "reseg-probe one --size 513 $RESEG_SERVER'", c.ip);
	lab_expect_error(&r, 2, "resegd saw only ");
	r = lab_run(c.user, "reseg-lab -%d --loss 5 --fault none -- sh -c '"
			    "reseg-lab enter --on box -- reseg-rules remove --quiet; "
			    "stream-client $RESEG_SERVER 7 200000'", c.ip);
	lab_expect_error(&r, 2, "resegd saw none of the ");
}

/* It is no error if there is nothing to see, if all packets or some of them are lost, if links join
 * them, or if another port is used than the lab waits for. */
LAB_TEST(lab, what_there_is_to_see_is_seen)
{
	struct lab_result r = lab_run(c.user, "reseg-lab -%d -- reseg-lab enter --on box -- "
				      "reseg-rules remove --quiet", c.ip);

	lab_expect_status(&r, 0);
	r = lab_run(c.user,
		    "reseg-lab -%d --loss 100 -- reseg-probe one --size 513 --timeout 1 server",
		    c.ip);
	lab_expect_status(&r, 1);
	cr_assert_str_eq(r.err, "");
	r = lab_run(c.user, "reseg-lab -%d --loss 10 --fault none -- sh -c '"
			    "stream-client $RESEG_SERVER 7 1000000'", c.ip);
	lab_expect_status(&r, 0);
	r = lab_run(c.user, "reseg-lab -%d --offloads --clients 2 --fault none -- sh -c '"
			    "stream-client $RESEG_SERVER 7 1000000 && "
			    "reseg-lab enter --on client2 -- stream-client $RESEG_SERVER 7 "
			    "1000000'", c.ip);
	lab_expect_status(&r, 0);
	/* The server's port is what the lab waits for, not what the box looks at. */
	r = lab_run(c.user, "reseg-lab -%d --port 26 --server '"
			    "reseg-sink --smtp 25 & exec reseg-sink --smtp 26' -- "
			    "sh -c 'reseg-probe one --size 513 --timeout 1 "
			    "\"[$RESEG_SERVER6]:25\"'", c.ip);
	lab_expect_status(&r, 1);
	cr_assert(strstr(r.out, "stalled"), "%s", r.out);
}

LAB_TEST(lab, further_commands_enter)
{
	int pipe_end, status;
	pid_t lab;
	struct lab_result r;

	(void)c.ip;
	lab = start_waiting_lab(c.user, &pipe_end);
	r = lab_run(c.user, "cd $DIR && reseg-lab enter --lab %d -- sh -c '"
			    "hostname; test $PWD = $DIR || exit 3; echo $RESEG_PORT; "
			    "reseg-probe one --size 512 --expect clean $RESEG_SERVER >/dev/null'",
			    lab);
	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "client\n25\n");
	r = lab_run(
		c.user,
		"reseg-lab enter --lab %d --on box -- sh -c 'hostname; ls /proc/sys/net/ipv4/conf; "
		"exit 9'",
		lab);
	lab_expect_status(&r, 9);
	cr_assert(strstr(r.out, "box\n") && strstr(r.out, "toserver\n"), "%s", r.out);
	r = lab_run(c.user, "reseg-lab enter --lab %d --on moon -- true", lab);
	lab_expect_error(&r, 2, "give client, box, server");
	r = lab_run(c.user, "reseg-lab enter --lab %d -- true", getpid());
	lab_expect_error(&r, 2, "not one of your labs");
	kill(lab, SIGTERM);
	waitpid(lab, &status, 0);
	close(pipe_end);

	/* from inside */
	r = lab_run(c.user, "reseg-lab -- sh -c 'hostname; reseg-lab enter --on box -- hostname'");
	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "client\nbox\n");
}

LAB_TEST(lab, events_are_beside_the_capture)
{
	struct lab_result r = lab_run(c.user,
		"for i in 1 2; do reseg-lab -%d --capture $DIR/both -- sh -c '"
		"reseg-probe one --size 513 --timeout 1 $RESEG_SERVER'; done; cp "
		"$DIR/both/events.jsonl $DIR", c.ip);
	json_t *events, *event;
	size_t i, stalls = 0;

	lab_expect_status(&r, 0);
	events = lab_json_lines("events.jsonl");
	json_array_foreach(events, i, event)
		stalls += strcmp(lab_string(event, "event"), "stall") == 0;
	cr_assert_eq(stalls, 1, "not only the last run's events are there");
}

/* A shell with job control, on a terminal of its own. */
LAB_TEST(lab, an_interactive_shell_has_the_terminal)
{
	struct lab_result r;

	lab_need("script");
	lab_need("bash");
	r = lab_run(c.user,
		"echo 'sleep 100 & jobs; kill %%1; echo sum $((40 + 2)); exit 7' >$DIR/keys; "
		"script -qec \"reseg-lab -%d -- bash --norc -i\" /dev/null <$DIR/keys", c.ip);
	lab_expect_status(&r, 7);
	cr_assert(strstr(r.out, "Running"), "%s", r.out);
	cr_assert(strstr(r.out, "sum 42"), "%s", r.out);
}

LAB_TEST(lab, doctor_finds_what_is_here)
{
	struct lab_result r = lab_run(c.user, "reseg-lab --doctor --format json");
	json_t *rows, *row;
	size_t i, found = 0;

	(void)c.ip;
	lab_expect_status(&r, 0);
	rows = lab_rows(&r);
	json_array_foreach(rows, i, row) {
		const char *name = lab_string(row, "name");
		bool good = json_is_true(json_object_get(row, "ok"));

		cr_assert(good == (lab_string(row, "advice")[0] == '\0'), "%s", name);
		found += good && (strcmp(name, "namespaces") == 0 || strcmp(name, "NFQUEUE") == 0 ||
				  strcmp(name, "raw sockets") == 0);
	}
	cr_assert_eq(found, 3, "%s", r.out);
	/* On a gateway, such as the lab's box, it checks the rules, too. */
	r = lab_run(c.user, "reseg-lab -- reseg-lab enter --on box -- sh -c '"
			    "reseg-lab --doctor; reseg-rules remove --quiet; reseg-lab --doctor; "
			    "true'");
	lab_expect_status(&r, 0);
	cr_assert(strstr(r.out, "\nrules here       ok "), "%s", r.out);
	cr_assert(strstr(r.out, "\nrules here       missing "), "%s", r.out);
	cr_assert(strstr(r.out, "-> no rules are loaded: run reseg-rules load"), "%s", r.out);
	r = lab_run(c.user, "LD_PRELOAD=${NO_NFQUEUE:?} reseg-lab --doctor");
	lab_expect_status(&r, 1);
	cr_assert(strstr(r.out, "load the module nfnetlink_queue"), "%s", r.out);
	cr_assert(strstr(r.out, "The lab cannot run here"), "%s", r.out);
}

LAB_TEST(lab, sigterm_reaches_the_command)
{
	int pipe_end, status;
	char byte;
	pid_t lab;

	(void)c.ip;
	lab = start_waiting_lab(c.user, &pipe_end);
	kill(lab, SIGTERM);
	waitpid(lab, &status, 0);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM, "status %x", status);
	cr_assert_eq(read(pipe_end, &byte, 1), 0);
}

Test(lab, bad_options)
{
	static const struct lab_usage cases[] = {
		{ "--fault nosuch", "there are: off-by-one, none" },
		{ "--segment-size 0", "1 to 65495" },
		{ "--segment-size 65496", "1 to 65495" },
		{ "--mtu 1000", "1280 to 65535" },
		{ "--mtu 1500,1000", "1280 to 65535" },
		{ "--path-mtu 500", "576 to 65535" },
		{ "--path-mtu 1400,loud", "give silent" },
		{ "--rate 0", "0.001 to 100000" },
		{ "--loss 101", "0 to 100" },
		{ "--loss 1/101", "--loss 101: give a number from 0 to 100" },
		{ "--loss 1/", "--loss : give a number" },
		{ "--loss 1/2/3", "--loss 2/3: give a number" },
		{ "--delay 5/0 --reorder 5", "give both" },
		{ "--delay 5/3 --jitter 4", "--jitter may not be larger than --delay" },
		{ "--loss 1/90 --burst 2", "--loss 90 with --burst 2: give a larger --burst" },
		{ "--direction up", "c2s, s2c, both or none" },
		{ "--arrival packet", "give segment, wire or burst" },
		{ "--reorder 5", "give both" },
		{ "--burst 5", "give both" },
		{ "--loss 1 --burst 0.5", "1 to 1000" },
		{ "--loss 90 --burst 2", "give a larger --burst" },
		{ "--jitter 5", "give a larger --delay" },
		{ "--jitter 5 --delay 4", "give a larger --delay" },
		{ "--jitter 2001 --delay 5000", "0 to 2000" },
		{ "--offloads=box", "give client, server" },
		{ "--workers 0", "from 1" },
		{ "--clients 9", "1 to 8" },
		{ "--delay -1", "0 to 10000" },
		{ "--duplicate 200", "0 to 100" },
		{ "--no-box --fault none", "there is no resegd" },
		{ "--box true --fault none", "there is no resegd" },
		{ "--box true", "put {ready} where" },
		{ "--server true --sink-options --smtp", "there is no reseg-sink" },
		{ "--port 0", "1 to 65535" },
		{ "--doctor --format xml", "table or json" },
		{ "--no-box --box true", "one of them" },
		{ "--events /nonexistent/file", "/nonexistent/file" },
		{ "--capture /nonexistent/folder", "/nonexistent/folder" },
		{ "--inject nosuch", "no such injector" },
		{ "--seed x", "give a whole number from 0 to" },
		{ "--seed -1", "give a whole number from 0 to" },
		{ NULL, NULL },
	};

	lab_start(LAB_ORDINARY);
	lab_expect_usage_errors(LAB_ORDINARY, "reseg-lab", "-- true", cases);
}

/* A user namespace that may have no further ones, for an ordinary user, behaves like a machine
 * without user namespaces. */
Test(lab, forbidden_user_namespaces_are_explained)
{
	struct lab_result r;

	lab_start(LAB_ROOT);
	r = lab_run(LAB_ROOT,
		"mkfifo $DIR/up $DIR/go; chmod 666 $DIR/up $DIR/go\n"
		"unshare --user --keep-caps sh -c '"
		"echo >$DIR/up; read line <$DIR/go; "
		"echo 0 >/proc/sys/user/max_user_namespaces; "
		"exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -c \""
		"reseg-lab --doctor >$DIR/doctor || reseg-lab -- true\"' & pid=$!\n"
		"read line <$DIR/up\n"
		"echo 0 0 65536 >/proc/$pid/uid_map; echo 0 0 65536 >/proc/$pid/gid_map\n"
		"echo >$DIR/go; wait $pid");
	lab_expect_error(&r, 2, "sysctl -w user.max_user_namespaces");
	r = lab_run(LAB_ROOT, "cat $DIR/doctor");
	cr_assert(strstr(r.out, "sysctl -w user.max_user_namespaces"), "%s", r.out);
}
