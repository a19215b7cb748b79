/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int manager = -1;
static struct sockaddr_un address;
static socklen_t address_bytes;

int notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	if (!path || path[0] == '\0')
		return 0;
	if (strlen(path) >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return -EINVAL;
	address.sun_family = AF_UNIX;
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')	/* in the abstract name space, unix(7) */
		address.sun_path[0] = '\0';
	address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return manager < 0 ? -errno : 0;
}

void notify(const char *lines)
{
	/* A manager that does not listen is not our concern. */
	if (manager >= 0 && sendto(manager, lines, strlen(lines), MSG_DONTWAIT | MSG_NOSIGNAL,
				   (struct sockaddr *)&address, address_bytes) < 0)
		errno = 0;
}

uint64_t notify_watchdog_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	char *end;
	unsigned long long value;

	if (manager < 0 || !usec || (pid && strtol(pid, NULL, 10) != getpid()))
		return 0;
	value = strtoull(usec, &end, 10);
	return *end == '\0' && value < UINT64_MAX / 1000 ? value * 1000 : 0;
}
