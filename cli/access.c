/* SPDX-License-Identifier: Apache-2.0
 *
 * See access.h.
 */
#include "cli/access.h"

#include "cli/exit.h"
#include "cli/say.h"

#include "proto/access_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

int access_read(const struct broker_values *values, struct belt_access *access)
{
    char error[1024] = "";
    int rc;

    switch (belt_access_load(values->access, access, NULL, 0, error, sizeof(error))) {
    case BELT_ACCESS_BAD:
        rc = errno == EMFILE || errno == ENFILE || errno == ENOMEM ? EXIT_IO : EXIT_USAGE;
        say("%s", error);
        return rc;
    default:
        return EXIT_OK;
    }
}

int access_endpoint(const struct broker_values *values, const struct belt_access *access, bool workers,
                    const char *fallback, char endpoint[ENDPOINT_MAX])
{
    const struct belt_access_broker *first = belt_access_first(access, workers);
    const char *broker = values->broker ? values->broker : first ? first->address : fallback;

    *endpoint = '\0';
    if (!broker || endpoint_normal(broker, workers ? ENDPOINT_WORKERS_PORT : ENDPOINT_CLIENTS_PORT, endpoint))
        return EXIT_OK;
    say("'%s' is no address", broker);
    return EXIT_USAGE;
}

int access_find_broker(const struct broker_values *values, bool workers, const char *fallback,
                       char endpoint[ENDPOINT_MAX])
{
    struct belt_access access;
    int rc = access_read(values, &access);

    if (!rc)
        rc = access_endpoint(values, &access, workers, fallback, endpoint);
    if (!rc && access.broker_count && !strncmp(endpoint, "tcp://", 6))
        prctl(PR_SET_DUMPABLE, 0);
    belt_access_wipe(&access);
    return rc;
}
