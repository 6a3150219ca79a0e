/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules for a broker's addresses (endpoint.h, design: plaintext stays on
 * this machine unless somebody says so).
 */
#include "broker/endpoint.h"
#include "proto/text_cut.h"

#include <arpa/inet.h>
#include <belt/codes.h>
#include <stdio.h>
#include <string.h>

#define HOST_MAX 255u

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool port_valid(const char *text)
{
    unsigned long port = 0;
    if (strcmp(text, "*") == 0)
        return true;
    if (!*text || strlen(text) > 5)
        return false;
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9')
            return false;
        port = port * 10 + (unsigned long)(*c - '0');
    }
    return port <= 65535;
}

/* Only what can be nothing else: a name may resolve to anything. */
static bool is_loopback(const char *host)
{
    struct in_addr v4;
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

static int check_tcp(const char *endpoint, bool allowed, char *error, size_t size)
{
    const char *host = endpoint + strlen("tcp://");
    const char *colon = strrchr(host, ':');
    char name[HOST_MAX + 1];
    if (!colon || colon == host || (size_t)(colon - host) > HOST_MAX || !port_valid(colon + 1) ||
        (host[0] == '[') != (colon[-1] == ']')) {
        snprintf(error, size,
                 "\"%.*s\" is no address to listen on: write tcp://HOST:PORT, with a port of 0 to 65535 or *",
                 TEXT_UP_TO(endpoint, 300));
        return BELT_INVALID;
    }
    memcpy(name, host, (size_t)(colon - host));
    name[colon - host] = '\0';
    if (allowed || is_loopback(name))
        return BELT_OK;
    snprintf(
        error, size,
        "%.*s can be reached from other machines, and everything on it would be unencrypted and open to anybody who "
        "reaches it: make keys first (belt keys init), or listen on 127.0.0.1 or ipc://PATH, or say "
        "--insecure-plaintext if the network is trusted",
        TEXT_UP_TO(endpoint, 300));
    return BELT_INVALID;
}

static int check_ipc(const char *endpoint, char *error, size_t size)
{
    const char *path = endpoint + strlen("ipc://");
    size_t len = strlen(path);
    if (len > 0 && len <= BROKER_IPC_PATH_MAX)
        return BELT_OK;
    if (len == 0)
        snprintf(error, size, "\"%s\" names no path: write ipc://PATH", endpoint);
    else
        snprintf(error, size, "the path of %.*s has %zu bytes, a Unix socket's may have %u: choose a shorter one",
                 TEXT_UP_TO(endpoint, 300), len, BROKER_IPC_PATH_MAX);
    return BELT_INVALID;
}

int broker_endpoint_check(const char *endpoint, bool allowed, char *error, size_t size)
{
    if (starts(endpoint, "tcp://"))
        return check_tcp(endpoint, allowed, error, size);
    if (starts(endpoint, "ipc://"))
        return check_ipc(endpoint, error, size);
    snprintf(error, size, "\"%.*s\" is no address to listen on: write tcp://HOST:PORT or ipc://PATH",
             TEXT_UP_TO(endpoint, 300));
    return BELT_INVALID;
}

const char *broker_endpoint_path(const char *endpoint)
{
    if (!starts(endpoint, "ipc://"))
        return NULL;
    const char *path = endpoint + strlen("ipc://");
    return *path == '@' || strcmp(path, "*") == 0 ? NULL : path; /* abstract, or chosen by ZeroMQ */
}
