/*
 * json_scan.h - what is wrong in the bytes of a JSON text, before its grammar is looked at.
 *
 * For json.c only; everybody else calls json_parse().
 */
#ifndef VOLLEY_VALUE_JSON_SCAN_H
#define VOLLEY_VALUE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "base/text.h"
#include "value/json.h"

/* Fills in an error; a longer message is cut. */
void json_error_set(struct json_error *error, size_t offset, const char *message);

/* Whether there is nothing that yajl would not look at closely enough by itself: only
 * ASCII, no escape, no VT or FF, no string left open. False says nothing yet: json_scan()
 * must look. */
bool json_scan_plain(struct text text);

/*
 * Looks at every byte: strings in UTF-8 (RFC 3629), their escapes known, surrogates in
 * pairs and control characters escaped (RFC 8259 section 7); outside of strings only
 * characters that JSON has there. False: error tells of the first mistake.
 */
must_check bool json_scan(struct text text, struct json_error *error);

/* Bytes of the string whose opening quote stands at from, both quotes included; 0: error
 * is set. */
size_t json_scan_string(struct text text, size_t from, struct json_error *error);

#endif
