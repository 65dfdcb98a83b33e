#include <string>
std::string name();
