/* SPDX-License-Identifier: Apache-2.0
 *
 * connections.c: which connection of a broker is closed, and why.
 */
#include "broker/connections.h"
#include "proto/limits.h"

#include <criterion/criterion.h>

#define MAX      4u
#define RESERVED BELT_CONNECTIONS_RESERVED
#define HELLO_MS (BELT_HELLO_LEASES * 50u)

static struct connections table;

static void open_table(void)
{
    connections_init(&table, MAX, RESERVED, HELLO_MS);
}

static void close_table(void)
{
    connections_fini(&table);
}

TestSuite(connections, .init = open_table, .fini = close_table);

/* The descriptor that is closed at this time and for this reason; -1: none. */
static int chosen(uint64_t now, enum connection_end why)
{
    int fd = -1;
    enum connection_end end = connections_choose(&table, now, &fd);
    if (end == CONNECTION_STAYS)
        return -1;
    cr_assert_eq(end, why);
    return fd;
}

Test(connections, one_that_says_nothing_is_closed_in_time)
{
    connections_came(&table, 10, false, 1000);
    connections_came(&table, 11, false, 1050);
    cr_assert_eq(connections_due(&table), 1100);
    cr_assert_eq(chosen(1099, CONNECTION_NO_HELLO), -1);
    cr_assert_eq(chosen(1100, CONNECTION_NO_HELLO), 10);
    cr_assert_eq(chosen(1100, CONNECTION_NO_HELLO), -1, "once");
    cr_assert_eq(connections_due(&table), 1150);
    connections_greeted(&table, 11);
    cr_assert_eq(connections_due(&table), UINT64_MAX);
    cr_assert_eq(chosen(9999, CONNECTION_NO_HELLO), -1);
    cr_assert_eq(table.ended[CONNECTION_NO_HELLO], 1);
}

Test(connections, one_whose_session_is_over_has_its_time_anew)
{
    connections_came(&table, 10, false, 1000);
    uint64_t id = connections_find(&table, 10)->id;
    connections_greeted(&table, 10);
    connections_parted(&table, 10, id + 1, 2000); /* of another connection with this descriptor */
    cr_assert_eq(connections_due(&table), UINT64_MAX);
    connections_parted(&table, 10, id, 2000);
    cr_assert_eq(chosen(2099, CONNECTION_NO_HELLO), -1);
    cr_assert_eq(chosen(2100, CONNECTION_NO_HELLO), 10);
    connections_parted(&table, 10, id, 2100);
    cr_assert_eq(connections_due(&table), UINT64_MAX, "it is closed already");
}

Test(connections, beyond_the_limit_the_one_that_waits_longest_goes)
{
    for (int fd = 0; fd < (int)MAX; fd++)
        connections_came(&table, fd, false, 1000);
    connections_greeted(&table, 0);
    cr_assert_eq(chosen(1000, CONNECTION_TOO_MANY), -1);
    connections_came(&table, 20, false, 1001);
    cr_assert_eq(chosen(1001, CONNECTION_TOO_MANY), 1);
    cr_assert_eq(chosen(1001, CONNECTION_TOO_MANY), -1);
    connections_greeted(&table, 2);
    connections_greeted(&table, 3);
    connections_greeted(&table, 20);
    connections_came(&table, 21, false, 1002);
    cr_assert_eq(chosen(1002, CONNECTION_TOO_MANY), 21, "all others have a session");
    connections_went(&table, 21);
    connections_went(&table, 0);
    connections_came(&table, 22, false, 1003);
    cr_assert_eq(chosen(1003, CONNECTION_TOO_MANY), -1, "there is room again");
}

Test(connections, the_administration_has_room_of_its_own)
{
    for (int fd = 0; fd < (int)MAX; fd++) {
        connections_came(&table, fd, false, 1000);
        connections_greeted(&table, fd);
    }
    for (int fd = 0; fd < (int)RESERVED; fd++)
        connections_came(&table, 50 + fd, true, 1000);
    cr_assert_eq(chosen(1000, CONNECTION_TOO_MANY), -1);
    connections_came(&table, 80, true, 1000);
    cr_assert_eq(chosen(1000, CONNECTION_TOO_MANY), 50, "and no more of it");
    cr_assert(connections_find(&table, 51)->reserved && !connections_find(&table, 0)->reserved);
}

Test(connections, a_descriptor_that_is_used_again_is_another_connection)
{
    connections_came(&table, 10, false, 1000);
    uint64_t id = connections_find(&table, 10)->id;
    connections_came(&table, 10, false, 1050); /* its end was not told */
    cr_assert_neq(connections_find(&table, 10)->id, id);
    cr_assert_eq(table.count[0], 1);
    cr_assert_eq(chosen(1100, CONNECTION_NO_HELLO), -1);
    connections_went(&table, 10);
    connections_went(&table, 10);
    connections_greeted(&table, 10);
    cr_assert_null(connections_find(&table, 10));
    cr_assert_eq(table.count[0], 0);
}
