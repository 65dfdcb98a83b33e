#include "options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <random>

#include "text.h"

namespace mailroot::bench {
namespace {

struct RawOptions {
  std::string to;
  std::string size = "4K";
  bool allow_network = false;
};

void declare_load(CLI::App& app, Options& options, RawOptions& raw) {
  app.add_option("--to", raw.to, "Server: 127.0.0.1:25, [::1]:25 or localhost:25")->required();
  app.add_flag("--allow-network", raw.allow_network, "Permit a server that is not on loopback");
  app.add_option("--connections", options.connections, "Connections open at once")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--messages", options.messages, "Messages to try in all");
  app.add_option("--size", raw.size, "Size of a message, header section included; K, M, G");
  app.add_option("--recipients", options.recipients, "Recipients of a message")
      ->check(CLI::Range(1, 100'000));
  app.add_option("--domains", options.domains, "Recipient domains used in turn ({d})")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--per-connection", options.per_connection,
                 "Messages before QUIT and a new connection; 0 keeps the connection");
  app.add_flag("--pipeline", options.pipeline, "MAIL, RCPT and DATA in one write");
  app.add_option("--pipeline-depth", options.depth,
                 "Transactions in flight (implies --pipeline). With --chunking all of them; with "
                 "DATA the next one's commands follow the end of data, so 2 is the most")
      ->check(CLI::Range(1, 1000));
  app.add_flag("--chunking", options.chunking, "BDAT in place of DATA");
  app.add_flag("--helo", options.helo, "HELO in place of EHLO");
  app.add_option("--sender", options.sender, "Reverse-path; {seq} is replaced; empty is <>");
  app.add_option("--recipient", options.recipient,
                 "Forward-path; {n} recipient, {d} domain, {seq} message are replaced");
  app.add_option("--source-addresses", options.source_addresses,
                 "Connect from this many addresses, 127.0.0.2 onward, in turn");
}

void declare_run(CLI::App& app, Options& options) {
  app.add_option("--run", options.run, "Run id in Message-ID and Subject; default is random");
  app.add_flag("--idle", options.idle, "Open the connections, EHLO, hold them, QUIT");
  app.add_option("--hold", options.hold_s, "Seconds --idle holds (SIGTERM ends it sooner)");
  app.add_option("--threads", options.threads, "Threads")->check(CLI::Range(1, 64));
  app.add_option("--time-limit", options.time_limit_s, "Seconds after which the run ends")
      ->check(CLI::Range(1, 86'400));
  app.add_option("--reply-limit", options.reply_limit_s,
                 "Seconds without a reply after which a connection counts as lost")
      ->check(CLI::Range(1, 3'600));
  app.add_option("--accept-log", options.accept_log,
                 "Append '<sequence> <reply>' for every message answered 250");
  app.add_flag("--tolerate", options.tolerate,
               "Reconnect after errors until the messages or the time are used up; a message "
               "without an answer is not sent again");
  app.add_flag("--json", options.json, "Print one JSON object");
}

std::string random_run() {
  std::random_device device;
  return fmt::format("r{:08x}.bench.example", device());
}

}  // namespace

std::optional<Options> read_options(int argc, char** argv, int& exit_code) {
  CLI::App app{"mailroot-source: sends generated mail over SMTP and measures the answers"};
  Options options;
  RawOptions raw;
  declare_load(app, options, raw);
  declare_run(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error) == 0 ? 0 : 2;
    return std::nullopt;
  }
  exit_code = 2;
  auto address = parse_address(raw.to);
  if (!address) {
    fmt::print(stderr, "mailroot-source: --to: {}\n", address.error());
    return std::nullopt;
  }
  if (!is_loopback(*address) && !raw.allow_network) {
    fmt::print(stderr,
               "mailroot-source: {} is not a loopback address; --allow-network permits it\n",
               raw.to);
    return std::nullopt;
  }
  auto size = parse_size(raw.size);
  if (!size || *size > (uint64_t{1} << 30)) {
    fmt::print(stderr, "mailroot-source: --size {}: write 4096, 4K, 10M; 1G at most\n", raw.size);
    return std::nullopt;
  }
  options.to = *address;
  options.size_bytes = *size;
  options.pipeline = options.pipeline || options.depth > 1;
  if (options.run.empty()) {
    options.run = random_run();
  }
  return options;
}

}  // namespace mailroot::bench
