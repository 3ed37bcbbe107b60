/*
 * systemd.c - the service manager's notification protocol.
 *
 * One datagram of lines NAME=VALUE to the unix socket that NOTIFY_SOCKET names. The socket
 * is opened for each message: there are few, and no descriptor has to be kept. libsystemd
 * was refused: sd_notify(3) documents the protocol as stable and meant to be written by
 * hand, and the library would bring more code into the process than volleyd has.
 */
#include "base/systemd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define NS_PER_US UINT64_C(1000)

/* Beside shutdownTimeout: closing what is left. */
#define STOPPING_SPARE (5 * NS_PER_SEC)

enum { MESSAGE_MAX = 512 };

/* The address that NOTIFY_SOCKET names; 0: none, or none of a unix socket. */
static socklen_t notify_address(struct sockaddr_un *address)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t len = name ? strlen(name) : 0;

	if (len < 2 || len >= sizeof(address->sun_path) ||
		(name[0] != '/' && name[0] != '@'))
		return 0;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, name, len);
	if (name[0] == '@')
		address->sun_path[0] = '\0'; /* an abstract name ends where it ends */
	else
		len++;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static bool send_datagram(
	const struct sockaddr_un *address, socklen_t len, const char *text)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool sent;
	int error;

	if (fd < 0)
		return false;
	sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL,
		       (const struct sockaddr *)address, len) >= 0;
	error = errno;
	close(fd);
	errno = error;
	return sent;
}

static void notify(const char *message)
{
	struct sockaddr_un address;
	socklen_t len = notify_address(&address);

	if (len && !send_datagram(&address, len, message))
		log_line(LOG_WARN, "the service manager could not be told", "message",
			message, "error", strerror(errno), NULL);
}

/* `head` and the line STATUS=, cut where the message would be too long. */
static void notify_with_status(const char *head, const char *status)
{
	char message[MESSAGE_MAX];
	size_t from = (size_t)snprintf(message, sizeof(message), "%s\nSTATUS=", head);

	snprintf(message + from, sizeof(message) - from, "%s", status);
	for (char *at = message + from; *at; at++)
		if (*at == '\n' || *at == '\r')
			*at = ' ';
	notify(message);
}

void systemd_ready(const char *status)
{
	notify_with_status("READY=1", status);
}

void systemd_reloading(void)
{
	char message[MESSAGE_MAX];

	snprintf(message, sizeof(message),
		"RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reading the folder",
		clock_now() / NS_PER_US);
	notify(message);
}

void systemd_stopping(uint64_t within, const char *status)
{
	char head[MESSAGE_MAX];

	snprintf(head, sizeof(head), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64,
		(within + STOPPING_SPARE) / NS_PER_US);
	notify_with_status(head, status);
}

void systemd_watchdog(void)
{
	notify("WATCHDOG=1");
}

/* A decimal number and nothing else; false: it is none. */
static bool read_number(const char *text, uint64_t *number)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

uint64_t systemd_watchdog_period(void)
{
	const char *owner = getenv("WATCHDOG_PID");
	struct sockaddr_un address;
	uint64_t pid, us;

	if (owner && (!read_number(owner, &pid) || pid != (uint64_t)getpid()))
		return 0; /* meant for the process that started us */
	if (!notify_address(&address) || !read_number(getenv("WATCHDOG_USEC"), &us) ||
		us > UINT64_MAX / NS_PER_US)
		return 0;
	return us * NS_PER_US;
}
