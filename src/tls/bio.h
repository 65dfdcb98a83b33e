// The BIO through which OpenSSL reads and writes an Engine's buffers.
#pragma once

#include <openssl/bio.h>

namespace mailroot::tls {

class Engine;

// One BIO for both directions; it does not own the engine.
BIO* make_bio(Engine& engine);

}  // namespace mailroot::tls
