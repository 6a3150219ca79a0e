/* SPDX-License-Identifier: Apache-2.0
 *
 * What a reader holds that acknowledges by itself.
 */
#include "client/hold.h"

#include <criterion/criterion.h>

Test(hold, counts_results_and_bytes_as_they_are_acknowledged)
{
    struct client_hold hold = {0};

    cr_assert(client_hold_reserve(&hold, 3));
    client_hold_take(&hold, 10);
    client_hold_take(&hold, 0);
    client_hold_take(&hold, 7);
    cr_assert(client_hold_ack(&hold, 1));
    cr_assert_eq(hold.acked, 1);
    cr_assert_eq(hold.acked_bytes, 10);
    cr_assert(client_hold_ack(&hold, 0), "an old acknowledgement is no error");
    cr_assert_eq(hold.acked, 1);
    cr_assert_not(client_hold_ack(&hold, 4), "it was not given yet");
    cr_assert_eq(hold.acked, 1);
    cr_assert(client_hold_ack(&hold, 3));
    cr_assert_eq(hold.acked_bytes, 17);
    client_hold_fini(&hold);
}

Test(hold, its_room_follows_what_is_not_acknowledged)
{
    struct client_hold hold = {0};
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < 100000; i++) {
        cr_assert(client_hold_reserve(&hold, 1));
        client_hold_take(&hold, i);
        bytes += i >= 50 ? i - 50 : 0;
        if (i >= 50)
            cr_assert(client_hold_ack(&hold, i - 49));
    }
    cr_assert_eq(hold.acked_bytes, bytes);
    cr_assert_eq(hold.capacity, 64);
    cr_assert(client_hold_reserve(&hold, 1000));
    cr_assert(client_hold_ack(&hold, 100000));
    cr_assert_eq(hold.acked_bytes, 99999ull * 100000 / 2);
    client_hold_fini(&hold);
}
