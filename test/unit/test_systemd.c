/*
 * test_systemd.c - the datagrams that the service manager gets, and when it watches us.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/systemd.h"

/* The manager's socket under an abstract name; its descriptor in *state. */
static int set_up(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	static int fd;
	char name[64];
	int len = snprintf(name, sizeof(name), "@volley-test-systemd-%d", (int)getpid());

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	memcpy(address.sun_path + 1, name + 1, (size_t)len - 1);
	if (fd < 0 ||
		bind(fd, (struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) != 0)
		return -1;
	*state = &fd;
	setenv("NOTIFY_SOCKET", name, 1);
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	return 0;
}

static int tear_down(void **state)
{
	unsetenv("NOTIFY_SOCKET");
	return close(*(int *)*state);
}

/* The next datagram; "": there is none. */
static const char *next(void **state)
{
	static char buffer[4096];
	ssize_t len = recv(*(int *)*state, buffer, sizeof(buffer) - 1, 0);

	buffer[len > 0 ? len : 0] = '\0';
	return buffer;
}

static void one_datagram_a_call(void **state)
{
	systemd_ready("serving\nSTOPPING=1\r");
	assert_string_equal(next(state), "READY=1\nSTATUS=serving STOPPING=1 ");
	systemd_stopping(2 * NS_PER_SEC, "draining");
	assert_string_equal(
		next(state), "STOPPING=1\nEXTEND_TIMEOUT_USEC=7000000\nSTATUS=draining");
	systemd_watchdog();
	assert_string_equal(next(state), "WATCHDOG=1");
	assert_string_equal(next(state), "");
}

static void a_reload_tells_when_it_began(void **state)
{
	uint64_t before = clock_now() / 1000, after, told = 0;

	systemd_reloading();
	after = clock_now() / 1000;
	assert_int_equal(
		sscanf(next(state), "RELOADING=1\nMONOTONIC_USEC=%" SCNu64 "\n", &told), 1);
	assert_in_range(told, before, after);
}

static void a_long_status_is_cut(void **state)
{
	char status[2000];

	memset(status, 'x', sizeof(status) - 1);
	status[sizeof(status) - 1] = '\0';
	systemd_ready(status);
	assert_in_range(strlen(next(state)), 400, 600);
}

static void nobody_is_told_without_a_socket(void **state)
{
	unsetenv("NOTIFY_SOCKET");
	setenv("WATCHDOG_USEC", "1000000", 1);
	systemd_ready("serving");
	assert_int_equal(systemd_watchdog_period(), 0);
	assert_string_equal(next(state), "");
}

static void the_watchdog_may_be_anothers(void **state)
{
	char own[32];

	assert_int_equal(systemd_watchdog_period(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(systemd_watchdog_period(), 30 * NS_PER_SEC);
	snprintf(own, sizeof(own), "%d", (int)getpid());
	setenv("WATCHDOG_PID", own, 1);
	assert_int_equal(systemd_watchdog_period(), 30 * NS_PER_SEC);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(systemd_watchdog_period(), 0);
	setenv("WATCHDOG_PID", own, 1);
	setenv("WATCHDOG_USEC", "18446744073709551615", 1);
	assert_int_equal(systemd_watchdog_period(), 0);
	setenv("WATCHDOG_USEC", "3s", 1);
	assert_int_equal(systemd_watchdog_period(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_datagram_a_call, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_reload_tells_when_it_began, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_long_status_is_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			nobody_is_told_without_a_socket, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_watchdog_may_be_anothers, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
