// time(nullptr) and ::open(path) in a comment are nobody's business.
class Journal {
 public:
  int open(const char* path);
  long time() const;
  void send(int piece);
};
const char* kText = "call socket(AF_INET) or rand()";
long later(Journal& journal, Reactor& reactor) {
  journal.open("a");
  reactor.random();
  return journal.time() + reactor.time(3);
}
