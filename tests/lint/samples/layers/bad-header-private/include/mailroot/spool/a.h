#pragma once
#include "secret.h"
