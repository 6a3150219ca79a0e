/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/codec_pack.h"

#include <msgpack.h>

static int append(void *data, const char *bytes, size_t len)
{
    struct packer *p = data;
    if (!pack_room(p, len))
        return -1;
    pack_raw(p, (const uint8_t *)bytes, len);
    return 0;
}

static msgpack_packer packer_of(struct packer *p)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, p, append);
    return packer;
}

void pack_uint(struct packer *p, uint64_t value)
{
    msgpack_packer packer = packer_of(p);
    msgpack_pack_uint64(&packer, value);
}

void pack_int(struct packer *p, int32_t value)
{
    msgpack_packer packer = packer_of(p);
    msgpack_pack_int32(&packer, value);
}

void pack_bool(struct packer *p, bool value)
{
    msgpack_packer packer = packer_of(p);
    if (value)
        msgpack_pack_true(&packer);
    else
        msgpack_pack_false(&packer);
}

void pack_nil(struct packer *p)
{
    msgpack_packer packer = packer_of(p);
    msgpack_pack_nil(&packer);
}

void pack_array(struct packer *p, uint32_t count)
{
    msgpack_packer packer = packer_of(p);
    msgpack_pack_array(&packer, count);
}

void pack_map(struct packer *p, uint32_t count)
{
    msgpack_packer packer = packer_of(p);
    msgpack_pack_map(&packer, count);
}

void pack_bin(struct packer *p, const uint8_t *data, uint32_t len)
{
    msgpack_packer packer = packer_of(p);
    if (msgpack_pack_bin(&packer, len) == 0 && len > 0)
        msgpack_pack_bin_body(&packer, data, len);
}

void pack_str(struct packer *p, const uint8_t *data, uint32_t len)
{
    msgpack_packer packer = packer_of(p);
    if (msgpack_pack_str(&packer, len) == 0 && len > 0)
        msgpack_pack_str_body(&packer, data, len);
}
