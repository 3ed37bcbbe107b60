/*
 * redis.h - the connector for Redis.
 */
#ifndef VOLLEY_SERVICE_REDIS_H
#define VOLLEY_SERVICE_REDIS_H

#include "service/service.h"

extern const struct service_ops service_redis;

#endif
