/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The lab in containers and chroots, where others have made namespaces before it; and labs that
 * cannot be started. */

#include "lab.h"

#include <stdlib.h>
#include <string.h>

TestSuite(container, .timeout = 500);

/* Makes a container whose first process is the command that follows. An ordinary user's has no root
 * outside (rootless). */
static const char *container(enum lab_user user)
{
	return user == LAB_ROOT ? "unshare --pid --fork --mount-proc " :
				  "unshare --user --map-root-user --pid --fork --mount-proc ";
}

/* Enters such a container as `docker exec` does: all namespaces of its first process, whose id is
 * $1. */
static const char *enter(enum lab_user user)
{
	return user == LAB_ROOT ? "nsenter --target $1 --mount --pid " :
				  "nsenter --target $1 --user --preserve-credentials --mount --pid "
				  "";
}

LAB_TEST(container, the_first_process_reports)
{
	struct lab_result r = lab_run(c.user,
		"mkdir $DIR/tmp; export TMPDIR=$DIR/tmp; %s reseg-lab -%d --report $DIR/page.html "
		"-- "
		"sh -c 'reseg-probe sweep --sizes 512,513 --timeout 1 $RESEG_SERVER >/dev/null'; "
		"echo status $?; grep -c 'stall: 513 pending' $DIR/page.html; ls $DIR/tmp",
		container(c.user), c.ip);

	lab_has(&r, "status 1\n");
	cr_assert_geq(atoi(strchr(r.out, '\n') + 1), 1, "%s%s", r.out, r.err);
	cr_assert_str_eq(strchr(strchr(r.out, '\n') + 1, '\n'), "\n", "left: %s", r.out);
	cr_assert_str_eq(r.err, "");
	r = lab_run(c.user, "%s reseg-lab -%d --report - -- sh -c '"
			    "reseg-probe one --size 513 --timeout 1 $RESEG_SERVER >/dev/null'",
		    container(c.user), c.ip);
	lab_expect_status(&r, 1);
	lab_has(&r, "* stall: 513 pending, S = 512\n");
}

/* Enters a container with one lab, which is its first process, and then one with two. */
LAB_TEST(container, further_commands_enter)
{
	struct lab_result r = lab_run(c.user,
		"mkfifo $DIR/up $DIR/end $DIR/up2 $DIR/end2\n"
		"%s reseg-lab -- sh -c 'echo >$DIR/up; read x <$DIR/end' & outer=$!\n"
		"read x <$DIR/up; set -- $(cat /proc/$outer/task/$outer/children)\n"
		"e='%s'\n"
		"eval $e reseg-lab enter -- hostname\n"
		"eval $e reseg-lab enter --lab 1 --on box -- hostname\n"
		"eval $e reseg-lab -- \"sh -c 'reseg-lab enter --on server -- hostname; echo "
		">$DIR/up2; "
		"read x <$DIR/end2'\" & second=$!\n"
		"read x <$DIR/up2\n"
		"eval $e reseg-lab enter -- hostname\n"
		"eval $e reseg-lab enter --lab 1 --on server -- hostname\n"
		"echo >$DIR/end2; wait $second; echo status $?\n"
		"echo >$DIR/end; wait $outer; echo status $?", container(c.user), enter(c.user));

	(void)c.ip;
	lab_expect_status(&r, 0);
	cr_assert_str_eq(r.out, "client\nbox\nserver\nserver\nstatus 0\nstatus 0\n", "%s%s", r.out,
			 r.err);
	cr_assert(lab_is_line_with(r.err,
				   "several labs are running: choose one with --lab: 1, "),
		  "%s", r.err);
}

#define AS_NOBODY "setpriv --reuid 65534 --regid 65534 --clear-groups "

#define READ_ONLY_SYSCTLS                                                                \
	"unshare --mount --propagation private sh -c 'mount --bind /proc/sys /proc/sys && "      \
	"mount -o remount,bind,ro /proc/sys && "

/* As in most containers. The lab mounts a /proc of its own where it may. */
Test(container, sysctls_are_read_only)
{
	struct lab_result r;

	lab_start(LAB_ROOT);
	r = lab_run(LAB_ROOT, READ_ONLY_SYSCTLS "reseg-lab -- reseg-probe sweep --sizes 512,513 "
			      "--timeout 1 server'");
	lab_expect_status(&r, 1);
	lab_has(&r, "513  stalled");
	lab_start(LAB_ORDINARY);
	r = lab_run(LAB_ROOT, READ_ONLY_SYSCTLS AS_NOBODY "reseg-lab -- true'");
	lab_expect_error(&r, 2, "/proc/sys is read-only in this container");
}

/* Makes a chroot of this machine's folders, $DIR/root/c, in a mount namespace of its own. */
#define IN_CHROOT                                                                        \
	"mkdir -p $DIR/root; unshare --mount --propagation private sh -c 'r=$DIR/root/c; "       \
	"mount -t tmpfs none $DIR/root && mkdir $r && for f in /*; do "                          \
	"if [ -L $f ]; then cp -a $f $r$f; "                                                     \
	"elif [ -d $f ]; then mkdir $r$f && mount --rbind $f $r$f; fi; done\n"

Test(container, a_chroot)
{
	struct lab_result r;

	lab_start(LAB_ROOT);
	lab_start(LAB_ORDINARY);	/* this user must find the programs */
	r = lab_run(LAB_ROOT, IN_CHROOT "exec chroot $r reseg-lab -- true'");
	lab_expect_error(&r, 2, "this chroot is not a mount point");
	r = lab_run(LAB_ROOT, IN_CHROOT "exec chroot $r " AS_NOBODY "reseg-lab -- true'");
	lab_expect_error(&r, 2, "Linux makes no user namespaces in a chroot");
	r = lab_run(LAB_ROOT, IN_CHROOT "mount --rbind $r $r; exec chroot $r " AS_NOBODY
			      "reseg-lab -- true'");
	lab_expect_error(&r, 2, "a chroot allows none");
	r = lab_run(LAB_ROOT, IN_CHROOT "mount --rbind $r $r; exec chroot $r reseg-lab -- "
			      "reseg-probe sweep --sizes 512,513 --timeout 1 server'");
	lab_expect_status(&r, 1);
	lab_has(&r, "513  stalled");
	/* A program with the address sanitizer cannot run there. */
	r = lab_run(LAB_ROOT, IN_CHROOT "mount --rbind $r $r; umount -l $r/proc; "
			      "chroot $r reseg-lab --version >/dev/null 2>&1 || exit 99; "
			      "exec chroot $r reseg-lab -- true'");
	if (r.status != 99)
		lab_expect_error(&r, 2, "there is no /proc here");
}

/* An existing report stays as it was, a new one is not begun, and one line says why. */
static void expect_no_report(enum lab_user user, const char *command, int status, const char *text)
{
	static const char *const names[] = { "old", "new" };

	for (size_t i = 0; i < 2; i++) {
		struct lab_result r = lab_run(user,
			"mkdir -p $DIR/tmp; rm -f $DIR/old; echo before >$DIR/old; "
			"export TMPDIR=$DIR/tmp REPORT=$DIR/%s; %s", names[i], command);

		lab_expect_error(&r, status, text);
		r = lab_run(user, "cat $DIR/old; ls $DIR | grep new; ls $DIR/tmp; rm -r $DIR/tmp");
		cr_assert_str_eq(r.out, "before\n", "%s: %s", command, r.out);
	}
}

Test(container, a_lab_that_cannot_start_leaves_reports_alone)
{
	lab_start(LAB_ORDINARY);
	for (enum lab_user user = LAB_ROOT; user <= LAB_ORDINARY; user++) {
		expect_no_report(user, "reseg-lab --report $REPORT --nosuch", 2,
				 "--nosuch: not an option");
		expect_no_report(user, "reseg-lab --report $REPORT --fault nosuch -- true", 2,
				 "no such fault");
		expect_no_report(user, "reseg-lab --watch --report $REPORT --inject nosuch -- true",
				 2, "no such injector");
		expect_no_report(user, "reseg-lab --report $REPORT --server 'exit 3' -- true", 2,
				 "the server ended (status 3)");
		expect_no_report(user, "reseg-lab --report $REPORT -- /nosuch/program", 127,
				 "/nosuch/program: ");
		expect_no_report(user, "reseg-lab --report $REPORT -- /dev/null", 126,
				 "/dev/null: ");
		expect_no_report(user, "unshare --user --map-root-user sh -c '"
				 "echo 0 >/proc/sys/user/max_user_namespaces; "
				 "exec setpriv --bounding-set=-all reseg-lab --report $REPORT -- "
				 "true'",
				 2, "user.max_user_namespaces");
	}
}

/* Nor does such a lab touch the captures of an earlier one. */
Test(container, a_lab_that_cannot_start_leaves_captures_alone)
{
	struct lab_result r;

	lab_start(LAB_ROOT);
	r = lab_run(
		LAB_ROOT,
		"reseg-lab --capture $DIR/cap -- true && cd $DIR/cap && sha256sum * >../before && "
		"unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; "
		"exec setpriv --bounding-set=-all reseg-lab --capture $DIR/cap -- true'");
	lab_expect_error(&r, 2, "user.max_user_namespaces");
	r = lab_run(LAB_ROOT, "cd $DIR/cap && sha256sum -c --quiet ../before");
	lab_expect_status(&r, 0);
}

/* Even a command that fails has run, whatever its status, so there is a report. */
LAB_TEST(container, a_command_that_fails_is_reported)
{
	struct lab_result r = lab_run(c.user,
		"reseg-lab -%d --report $DIR/page.html -- sh -c 'exit 127'; echo $?; "
		"grep -c 'No connection began' $DIR/page.html", c.ip);

	cr_assert_str_eq(r.out, "127\n1\n", "%s%s", r.out, r.err);
}
