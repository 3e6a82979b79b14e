"""A spreadsheet as IXI's: BIFF8 in an OLE2 file, a sheet ``Table`` and one with codes, rows twice, blanks, zeros."""

import base64
import zlib

ROWS = (
    # IXI_ID, SEX_ID, AGE, as they stand there ("" is an empty cell)
    (1, 1, ""),
    (2, 2, 35.800137),
    (12, 1, 38.781656),
    (13, 1, 46.710472),
    (13, 0, ""),
    (14, 2, 34.236824),
    (14, 2, 34.236824),
    (219, 2, 41.2),
    (219, 2, 58.7),
    (328, 1, 30.1),
    (328, 2, 44.4),
    (15, 0, 24.284736),
)

# Written once by xlwt 1.3.0, since a spreadsheet in this old format has to be read as it is, by no own writer.
_PACKED = (
    "c-rk)O-NKx6h8O;%sAtW&X@*HAcK^tNuhyAFphuII19x}P)x8<Cp2{wnHIJv(_9u&5EN}h7uCXwpdaja6D<P67J*P`MnP>V3R<Ys"
    "x#zv-JoOO@DH(Hyciy?@p7Y)F&b{~CH}BPib9(r;YX+84F^I4bwSY;dV|ZD#h6Aua8s(yPPrxf0r%gqc1e{2d4CD5fW<G~}zGpyy"
    "ThcS+0Ppc?gdV8w4u{+uNM#g5kntEiOv1G%z*W4GAf4h$A>KlK3-Oy|`;d4EY0eV&pzSnkfC+DPZjri<>xE3}OG3`z9{Eg>CLhw^"
    "1z*Rf&NIbUhSJ{lVCTQtks;Y&6maJJp>U`-*f|ZUIEAC|GwKHTq3zYD?znzq^$bw|YpLFBpuZ?c0R0d>!uUcQ0z0@Q-XlY8u(>ld"
    "1WvG0$+dtl(iU!SX^-^HK@*i>i?Uq<^?{~9g%jYAuO0<=cD|=8&t2d-nuDE{zJR~77KJ(z(8X6<Ssf@xLlL0V@5418s4!`284cUo"
    "BOxn?r^?`1QW@;DUu?)*A(><+?HUKx{<-VlCaaojyiKI(r_(?=Gj{NYgeaWm9_XAzJ$BGgbID^D@c}~JMzV`|DkcN(Sv6^@uz!$j"
    "&QNa_j<c8OwRfjZ&PI9Y%YpkDL$lr-l*jxtCsN1Wc!wbq6W5CV{5J@BERS8e%;|wwyEC=Ayd|E#qS7P?4mI|udN3x#JXlF|5?5M0"
    "J8ZEfsJT*FBDTcEmV_;7u_a?mR>xt~j*asOwv*0DnbY_Uf%7t^X(aL$mc__@1+us5_yzL)3^89(;B}El@#)&g?6HrfB^*sOKoiNU"
    "Ko`klLUXaDXd<EYG(NAgx0Vx{WPm0SLZJ?A$`DN=w2?;FldlbaLX!=$B<s)wL#|}WWDtom`aWHj&QT<$Ws#UDlETOxZ%u}hC9?sV"
    "d6j796=(@7&~i!Vgs>PxyF_T;b$M$k;rZYQ76Sy!DiFpGYY0{Y1jQ>;j@eHV!fqDRB<|4=5)BX%bqEUD03p27KZQ?2uo-04MmEKN"
    "oL`<*8)da?q3QUC%A%5DAqDR8PJBm*(MHreVUcgvdM6mxJJXVSXV%p%z5PkSs;gVvo{>Gz8qEn9%}Jc%6sI`FX}yT4XOc+gCD2<F"
    "uh3@oyUsjb3-Qk+|1BMaZu~{?Z>bN$c<+V2HLahmATte%t<p#PUdX8qNAHCWXr?$i*1Uf4&4uZoXVs35zqf_fI{w01;#}wPe*<yv"
    "MeP"
)


def xls() -> bytes:
    """The file."""
    return zlib.decompress(base64.b85decode(_PACKED))
