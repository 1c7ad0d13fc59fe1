/* tls_client.h: is the client certificate that a user named good for anything? */
#ifndef HFI_TLS_CLIENT_H
#define HFI_TLS_CLIENT_H

#include "err.h"
#include "str.h"

/* Both files can be read and belong together. An empty key: it is in the certificate's file.
 *   errors  ERR_SPEC naming the file and what is wrong with it */
int tls_client_check(struct str cert, struct str key, struct err *err);

#endif
