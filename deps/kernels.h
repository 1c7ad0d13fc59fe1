/* kernels.h: the block functions under every hash, and what stands behind them. Installed with the
 * libraries; lib/digest.c and mbedtls_alt.c put framing around them.
 *
 * Any thread, any time: the first call of all looks at the processor and chooses. No memory is
 * allocated, nothing can fail. kernels_gcrypt.c is the product; kernels_stock.c (make CRYPTO=stock)
 * is mbedTLS alone, to be measured and tested against. */
#ifndef HF_KERNELS_H
#define HF_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Chaining values in the words of FIPS 180-4; data is blocks * 64 bytes, aligned or not. */
void hf_sha256_blocks(uint32_t state[8], const void *data, size_t blocks);
void hf_sha1_blocks(uint32_t state[5], const void *data, size_t blocks);

/* "libgcrypt 1.11.0 (intel-aesni intel-shaext)": the library, and what it found in this processor
 * that it has code for. */
const char *hf_kernels_name(void);

/* What the first call does. Whoever uses libgcrypt itself calls this before. */
void hf_kernels_start(void);

#endif
