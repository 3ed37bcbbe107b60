/*
 * systemd.h - what the daemon tells the service manager that started it.
 *
 * Each call sends at most one datagram and never waits. Without NOTIFY_SOCKET in the
 * environment all of them do nothing. Source: sd_notify(3), sd_watchdog_enabled(3).
 */
#ifndef VOLLEY_BASE_SYSTEMD_H
#define VOLLEY_BASE_SYSTEMD_H

#include <stdint.h>

/*
 * The start, or a reload, is over: the daemon serves. `status` is one line for
 * `systemctl status`; line ends in it become blanks. Also after a reload that was refused.
 */
void systemd_ready(const char *status);

/* A reload begins; systemd_ready() must follow. */
void systemd_reloading(void);

/* The daemon ends, and may need this many nanoseconds for it, whatever the unit says. */
void systemd_stopping(uint64_t within, const char *status);

/* A sign of life, due at least once in each systemd_watchdog_period(). */
void systemd_watchdog(void);

/*
 * Nanoseconds after which the service manager takes silence of this process for a hang; 0:
 * it does not watch this process.
 */
uint64_t systemd_watchdog_period(void);

#endif
