/*
 * log.h - the connector that writes lines into the daemon's own log.
 */
#ifndef VOLLEY_SERVICE_LOG_H
#define VOLLEY_SERVICE_LOG_H

#include "service/service.h"

extern const struct service_ops service_log;

#endif
