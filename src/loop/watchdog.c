/*
 * watchdog.c - a timer of the loop that pings the service manager.
 *
 * It is a timer like any other, so that a loop that hangs falls silent and is restarted.
 * Half of the period is what sd_watchdog_enabled(3) advises. Refused: a thread that pings,
 * which would prove only that the thread lives.
 */
#include "loop/watchdog.h"

#include "base/systemd.h"

static void ping(struct loop_timer *timer)
{
	struct watchdog *watchdog = container_of(timer, struct watchdog, timer);

	systemd_watchdog();
	loop_timer_start(timer, watchdog->pause);
}

void watchdog_start(struct watchdog *watchdog, struct loop *loop)
{
	watchdog->pause = systemd_watchdog_period() / 2;
	if (!watchdog->pause)
		return;
	loop_timer_init(loop, &watchdog->timer, ping);
	ping(&watchdog->timer);
}

void watchdog_stop(struct watchdog *watchdog)
{
	if (watchdog->pause)
		loop_timer_stop(&watchdog->timer);
}
