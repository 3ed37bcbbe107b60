/*
 * watchdog.h - signs of life to the service manager, as long as the loop turns.
 */
#ifndef VOLLEY_LOOP_WATCHDOG_H
#define VOLLEY_LOOP_WATCHDOG_H

#include "loop/loop.h"

struct watchdog {
	struct loop_timer timer;
	uint64_t pause; /* ns between two signs */
};

/* Sends the first sign, and then one each half period; nothing where nobody watches. */
void watchdog_start(struct watchdog *watchdog, struct loop *loop);

/* Call before the loop dies. Does nothing to one that is zeroed or was not started. */
void watchdog_stop(struct watchdog *watchdog);

#endif
