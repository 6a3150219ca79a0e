/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/digest.h"

/* The header holds the whole implementation: no library is needed where the program runs. */
#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(sizeof(XXH128_canonical_t) == BELT_DIGEST_BYTES, "a digest is one hash");

/* Links: XXH3-128 of the digest so far and the XXH3-128 of the payload, both with the highest byte first. */
void belt_digest_add(struct belt_digest *digest, const void *data, size_t len)
{
    uint8_t link[2 * BELT_DIGEST_BYTES];
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits(len > 0 ? data : "", len));
    memcpy(link, digest->bytes, BELT_DIGEST_BYTES);
    memcpy(link + BELT_DIGEST_BYTES, &hash, BELT_DIGEST_BYTES);
    XXH128_canonicalFromHash(&hash, XXH3_128bits(link, sizeof(link)));
    memcpy(digest->bytes, &hash, BELT_DIGEST_BYTES);
}
