/*
 * inherited.h - listening sockets that were handed to the process (socket activation).
 *
 * The protocol of sd_listen_fds(3): LISTEN_PID and LISTEN_FDS in the environment, descriptors
 * from 3 on. The sockets stay open as long as the process lives, so that whoever handed them
 * over keeps the connections that wait in them over a restart.
 */
#ifndef VOLLEY_NET_INHERITED_H
#define VOLLEY_NET_INHERITED_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/macros.h"

/*
 * Takes the sockets over: before the process opens anything. The variables go, no child gets
 * the sockets. False: something else than listening stream sockets was handed over.
 */
must_check bool inherited_take(struct errbuf *errbuf);

/* The socket that is bound to this address, which is used from now on; -1: there is none. */
int inherited_find(const struct sockaddr *address);

/*
 * Whether all of them are used. False: errbuf names those that are not, and `configured`, the
 * addresses that would have been.
 */
must_check bool inherited_all_used(const char *configured, struct errbuf *errbuf);

#endif
