/* SPDX-License-Identifier: Apache-2.0
 *
 * client/statuses.c.
 */
#include "client/statuses.h"

#include <criterion/criterion.h>

static bool has(const uint8_t *bits, unsigned status)
{
    return bits[status / 8] >> (status % 8) & 1;
}

Test(statuses, numbers_and_ranges_become_bits)
{
    uint8_t bits[BELT_STATUS_BYTES];
    cr_assert(client_statuses_parse("2,64-78,255", bits));
    for (unsigned status = 0; status < 256; status++)
        cr_assert_eq(has(bits, status), status == 2 || (status >= 64 && status <= 78) || status == 255, "%u", status);
    cr_assert(client_statuses_parse("1-255", bits));
    cr_assert(!has(bits, 0) && has(bits, 1));
}

Test(statuses, what_is_no_list_is_refused)
{
    static const char *const bad[] = {"",   ",",   "0",   "256", "1,",    ",1",         "1-",
                                      "-1", "3-2", "1 2", "x",   "1-2-3", "99999999999"};
    uint8_t bits[BELT_STATUS_BYTES];
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        cr_assert(!client_statuses_parse(bad[i], bits), "'%s'", bad[i]);
}
