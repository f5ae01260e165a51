// glassbox [run] [MACHINE.toml] [options]
#include "frontend/program.hpp"

int main(int argc, char** argv) { return glassbox::run_program({argv + 1, argv + argc}); }
