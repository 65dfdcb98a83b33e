#include "bio.h"

#include <algorithm>
#include <cstring>

#include "mailroot/base/assert.h"
#include "mailroot/tls/engine.h"

namespace mailroot::tls {

struct EngineBio {
  static Engine& of(BIO* bio) { return *static_cast<Engine*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* to, size_t size, size_t* done) {
    Engine& engine = of(bio);
    BIO_clear_retry_flags(bio);
    *done = std::min(size, engine.input_size_);
    if (*done == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    std::memcpy(to, engine.input_, *done);
    engine.input_ += *done;
    engine.input_size_ -= *done;
    return 1;
  }

  static int write(BIO* bio, const char* from, size_t size, size_t* done) {
    BIO_clear_retry_flags(bio);
    of(bio).output_.append(from, size);
    *done = size;
    return 1;
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }
};

namespace {

BIO_METHOD* make_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mailroot");
  MAILROOT_ASSERT(method != nullptr, "OpenSSL has memory at the start");
  BIO_meth_set_read_ex(method, EngineBio::read);
  BIO_meth_set_write_ex(method, EngineBio::write);
  BIO_meth_set_ctrl(method, EngineBio::control);
  return method;
}

}  // namespace

BIO* make_bio(Engine& engine) {
  static BIO_METHOD* const method = make_method();
  BIO* bio = BIO_new(method);
  MAILROOT_ASSERT(bio != nullptr, "memory for a BIO");
  BIO_set_data(bio, &engine);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace mailroot::tls
