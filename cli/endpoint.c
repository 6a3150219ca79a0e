/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses as people write them. Pure.
 */
#include "endpoint.h"

#include <stdio.h>
#include <string.h>

static bool printable(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

/* The port is what follows the last colon outside of brackets: digits, or * for any. */
static bool has_port(const char *host)
{
    const char *colon = strrchr(host, ':'), *bracket = strrchr(host, ']');

    if (!colon || (bracket && colon < bracket))
        return false;
    return colon[1] && (strspn(colon + 1, "0123456789") == strlen(colon + 1) || !strcmp(colon + 1, "*"));
}

bool endpoint_normal(const char *text, int port, char out[ENDPOINT_MAX])
{
    const char *host = text;
    int len;

    if (!printable(text) || strlen(text) > ENDPOINT_MAX - 32)
        return false;
    if (!strncmp(text, "ipc://", 6)) {
        snprintf(out, ENDPOINT_MAX, "%s", text);
        return text[6] != '\0';
    }
    if (!strncmp(text, "tcp://", 6))
        host += 6;
    else if (strstr(text, "://") || strchr(text, '/'))
        return false;
    if (!*host || *host == ':' || (strchr(host, ':') && !has_port(host) && *host != '['))
        return false;
    /* An IPv6 address has brackets, so that its colons are none of a port. */
    if (*host != '[' && strchr(host, ':') != strrchr(host, ':'))
        return false;
    len = has_port(host) ? snprintf(out, ENDPOINT_MAX, "tcp://%s", host)
                         : snprintf(out, ENDPOINT_MAX, "tcp://%s:%d", host, port);
    return len < ENDPOINT_MAX;
}
