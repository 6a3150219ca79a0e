/* SPDX-License-Identifier: Apache-2.0
 *
 * Building the core anew from the records of an earlier life of the broker: core_restore() of core.h. Private to
 * broker/core.
 */
#ifndef BELT_CORE_RESTORE_H
#define BELT_CORE_RESTORE_H

#include "broker/core/model/state.h"

#endif
