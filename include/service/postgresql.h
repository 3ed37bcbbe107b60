/*
 * postgresql.h - the connector for PostgreSQL.
 */
#ifndef VOLLEY_SERVICE_POSTGRESQL_H
#define VOLLEY_SERVICE_POSTGRESQL_H

#include "service/service.h"

extern const struct service_ops service_postgresql;

#endif
