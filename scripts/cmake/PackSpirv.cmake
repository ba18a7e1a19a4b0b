# cmake -DIN=... -DOUT=... -P PackSpirv.cmake
# IN: SPIR-V as glslc -mfmt=num writes it. OUT: the same without names, in half the bytes, as vkd_spirv_unpack() reads it
# (runtime/spirv.h): 16-bit numbers for a C array, one for nearly every word.
cmake_policy(VERSION 3.18)
file(READ ${IN} text)
string(REGEX MATCHALL "0x[0-9a-f]+" words "${text}")
list(LENGTH words count)

# glslc -O leaves names out, -O0 does not. They stand before the first decoration, type or constant.
set(names 3 4 5 6)              # OpSource, OpSourceExtension, OpName, OpMemberName
set(before 10 11 14 15 16 17)   # OpExtension, OpExtInstImport, OpMemoryModel, OpEntryPoint, OpExecutionMode, OpCapability
list(SUBLIST words 0 5 kept)    # the header
set(at 5)
while(at LESS count)
  list(GET words ${at} word)
  math(EXPR opcode "${word} & 0xffff")
  math(EXPR length "${word} >> 16")
  if(opcode IN_LIST before)
    list(SUBLIST words ${at} ${length} instruction)
    list(APPEND kept ${instruction})
  elseif(NOT opcode IN_LIST names)
    break()
  endif()
  math(EXPR at "${at} + ${length}")
endwhile()
list(SUBLIST words ${at} -1 rest)
string(JOIN "," text ${kept} ${rest})

# In this order, as each looks at the words of eight digits that are left. 0xffff says that the next two are a word's halves, and
# is no code of an instruction therefore.
string(REPLACE "0x003f01ff" "0xffff,0x003f,0x01ff" text "${text}")
string(REGEX REPLACE "0x0000([0-7][0-9a-f][0-9a-f][0-9a-f])" "0x\\1" text "${text}")
string(REGEX REPLACE "0x00([0-3][0-9a-f])0([01][0-9a-f][0-9a-f])" "0x8000|0x\\1<<9|0x\\2" text "${text}")
set(half "[0-9a-f][0-9a-f][0-9a-f][0-9a-f]")
string(REGEX REPLACE "0x(${half})(${half})" "0xffff,0x\\1,0x\\2" text "${text}")
file(WRITE ${OUT} "${text}\n")
