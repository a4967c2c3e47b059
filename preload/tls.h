/*
 * tls: what OpenSSL and its look-alikes decrypt and encrypt for the server.
 */
#ifndef STRANDLINE_PRELOAD_TLS_H
#define STRANDLINE_PRELOAD_TLS_H

void tls_forget(void); /* after dlclose: another may lie there now */

#endif
