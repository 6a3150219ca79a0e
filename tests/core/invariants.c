/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/core/invariants.h"

const char *invariants_broken(struct core *core)
{
    static char wrong[512];
    return core_check(core, wrong, sizeof(wrong)) ? NULL : wrong;
}
