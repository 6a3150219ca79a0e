/* SPDX-License-Identifier: Apache-2.0
 *
 *  Private to broker/core.
 */
#ifndef BELT_CORE_RESTORE_H
#define BELT_CORE_RESTORE_H

#include "broker/core/model/state.h"

#endif
