/* SPDX-License-Identifier: Apache-2.0
 *
 * The public header in strict C11: it compiles by itself, without a warning.
 * Compiled only (CTest runs the compiler).
 */
#include <belt/belt.h>

_Static_assert(BELT_OK == 0, "success is zero");
_Static_assert(sizeof(((belt_pool_options *)0)->size) == sizeof(size_t), "option structs begin with their size");

int main(void)
{
    belt_pool_options options;

    belt_pool_options_init(&options);
    return options.size == sizeof(options) ? 0 : 1;
}
