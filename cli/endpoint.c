/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses as people write them. Pure.
 */
#include "cli/endpoint.h"

#include <stdio.h>
#include <string.h>

static bool printable(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

/* 1 to 65535, or * for any where a broker listens. */
static bool port_valid(const char *text)
{
    unsigned long port = 0;

    for (const char *at = text; *at >= '0' && *at <= '9' && at - text < 6; at++)
        port = port * 10 + (unsigned long)(*at - '0');
    return !strcmp(text, "*") || (strspn(text, "0123456789") == strlen(text) && port >= 1 && port <= 65535);
}

/* A name, an IPv4 address, * for all interfaces, or an IPv6 address in brackets, without the port. */
static bool host_valid(const char *host, size_t len)
{
    size_t inner = strcspn(host, "[]");

    if (*host == '[') {
        size_t address = strspn(host + 1, "0123456789abcdefABCDEF:.%" /* and a zone, whose name may be any */
                                          "ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ");
        return address >= 2 && address + 2 == len && host[address + 1] == ']';
    }
    return len > 0 && inner >= len && !memchr(host, '@', len) && !memchr(host, ',', len);
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
        return text[6] != '\0' && strlen(text + 6) <= ENDPOINT_IPC_PATH_MAX;
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
    if (has_port(host) ? !port_valid(strrchr(host, ':') + 1) || !host_valid(host, (size_t)(strrchr(host, ':') - host))
                       : !host_valid(host, strlen(host)))
        return false;
    len = has_port(host) ? snprintf(out, ENDPOINT_MAX, "tcp://%s", host)
                         : snprintf(out, ENDPOINT_MAX, "tcp://%s:%d", host, port);
    return len < ENDPOINT_MAX;
}
